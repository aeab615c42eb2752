"""Montages: what each cluster looks like, and where it is unsure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.report.contents import Contents
from iciclegcn.report.html import section, text
from iciclegcn.report.part import Part
from iciclegcn.report.pictures import Thumbnails, thumbnails
from iciclegcn.report.selection import Certainty, Picks, pick
from iciclegcn.report.svg import Drawing, Figure
from iciclegcn.report.theme import cluster_colours

_BUDGET = 2_600_000  # bytes of text for all thumbnails
_SIDE = 96  # pixels: sharp at 56 on a fine screen
_MANY = 33  # clusters: beyond, one line of pictures each
_MOST_CLUSTERS = 100

Rows = npt.NDArray[np.int64]


class View(NamedTuple):
    """One way of looking at the clusters.

    Attributes:
        name: A field of `Picks`.
        title: On the button.
        text: What it shows.
    """

    name: str
    title: str
    text: str


VIEWS = (
    View("typical", "Most typical", "Nearest the middle of their cluster, and sure of it."),
    View("uncertain", "Least certain", "With the lowest confidence, which is written below."),
    View(
        "borderline",
        "Borderline",
        "With the most probability in another cluster: the one they nearly joined stands below.",
    ),
)


def clusters_part(contents: Contents, sure: Certainty, classes: Sequence[str] | None) -> Part:
    """A card for each cluster, the largest ones where there are very many.

    Args:
        contents: The run.
        sure: As `iciclegcn.report.selection.certainty` gives it.
        classes: What the truth says of each cluster; None: no truth.
    """
    sizes = np.bincount(contents.clusters[contents.clusters >= 0], minlength=contents.num_clusters)
    shown = np.sort(np.argsort(-sizes, kind="stable")[:_MOST_CLUSTERS])
    most = 12 if len(shown) <= _MANY else 6
    picks = pick(contents.x, contents.clusters, sure, contents.num_clusters, most)
    pictures = _thumbnails(contents, [picks[cluster] for cluster in shown])
    colours = cluster_colours(contents.num_clusters)

    def card(cluster: int) -> str:
        own = sure.confidence[contents.clusters == cluster]
        facts = [f"{sizes[cluster]:,} {contents.noun}"]
        facts += [f"confidence {own.mean():.3f}"] if len(own) else []
        facts += [f"mostly {classes[cluster]}"] if classes and classes[cluster] else []
        words = " ".join(f"<span>{text(fact)}</span>" for fact in facts)
        strips = "".join(
            _strip(view, getattr(picks[cluster], view.name), contents, sure, pictures)
            for view in VIEWS
        )
        return (
            f"<article class='card' id='cluster-{cluster}'><div class='head'>"
            f"<h3><span class='swatch' style='background:{colours[cluster]}'></span>"
            f"Cluster {cluster}</h3>"
            f"<p class='facts'>{words}</p></div>{strips}</article>"
        )

    buttons = "".join(
        f"<input type='radio' name='view' id='view-{view.name}'{' checked' if not place else ''}>"
        f"<label for='view-{view.name}'>{view.title}</label>"
        for place, view in enumerate(VIEWS)
    )
    explanations = "".join(f"<p class='{view.name} explain'>{view.text}</p>" for view in VIEWS)
    cards = "".join(map(card, shown.tolist()))
    html = section(
        "clusters",
        "Clusters",
        _intro(contents, len(shown)),
        f"<div class='views' role='radiogroup' aria-label='Which {contents.noun} to show'>"
        f"{buttons}{explanations}<div class='cards'>{cards}</div></div>",
    )
    return Part("clusters", "Clusters", html, _montages(contents, picks, shown, sure, pictures))


def _intro(contents: Contents, shown: int) -> str:
    intro = f"Clusters have numbers, not names. Some {contents.noun} of each:"
    if shown < contents.num_clusters:
        intro = f"The {shown} largest of {contents.num_clusters} clusters. {intro}"
    return intro


def _thumbnails(contents: Contents, picks: Sequence[Picks]) -> Thumbnails | None:
    if contents.images is None:
        return None
    rows = [int(row) for each in picks for kind in each for row in kind]
    return thumbnails(contents.images, rows, side=_SIDE, budget=_BUDGET)


def _strip(
    view: View, rows: Rows, contents: Contents, sure: Certainty, pictures: Thumbnails | None
) -> str:
    if not len(rows):
        return f"<p class='{view.name} none'>Empty.</p>"
    caption = _captions(view, sure)
    items = "".join(shot(int(row), contents, sure, pictures, caption(int(row))) for row in rows)
    kind = "shots" if pictures else "shots names"
    return f"<ul class='{view.name} {kind}' aria-label='{view.title}'>{items}</ul>"


def shot(
    row: int, contents: Contents, sure: Certainty, pictures: Thumbnails | None, caption: str = ""
) -> str:
    """One image as an entry of a list; its name where there are no pictures.

    Args:
        row: Which one.
        contents: The run.
        sure: As `iciclegcn.report.selection.certainty` gives it.
        pictures: Its thumbnail among others; None: the run has none.
        caption: A word below it.
    """
    path = text(contents.paths[row])
    cluster = contents.clusters[row]
    place = "unassigned" if cluster < 0 else f"cluster {cluster}"
    about = f"{path}, {place}, confidence {sure.confidence[row]:.3f}"
    below = f"<span>{text(caption)}</span>" if caption else ""
    if pictures is None:
        return f"<li title='{about}'><code>{path}</code>{below}</li>"
    picture = f"<img src='{pictures.sources[row]}' alt='{about}' title='{about}'"
    # Not lazily: whoever prints the page may not have scrolled through it.
    return f"<li>{picture} decoding='async' width='56' height='56'>{below}</li>"


def _captions(view: View, sure: Certainty) -> Callable[[int], str]:
    if view.name == "uncertain":
        return lambda row: f"{sure.confidence[row]:.2f}"
    if view.name == "borderline":
        return lambda row: f"→ {sure.second[row]}"
    return lambda row: ""


def _montages(
    contents: Contents,
    picks: Sequence[Picks],
    shown: Rows,
    sure: Certainty,
    pictures: Thumbnails | None,
) -> tuple[Figure, ...]:
    """Each view of all shown clusters as one figure: a row a cluster."""
    if pictures is None:
        return ()
    figures = []
    for view in VIEWS:
        rows = [getattr(picks[cluster], view.name) for cluster in shown]
        caption = _captions(view, sure)
        drawing = Drawing(96 + 60 * max(map(len, rows)), 74 * len(shown) + 8)
        for place, (cluster, own) in enumerate(zip(shown, rows, strict=True)):
            drawing.text(12, 74 * place + 34, f"cluster {cluster}", "f-value")
            for column, row in enumerate(own):
                left = 90 + 60 * column
                drawing.image(left, 74 * place + 2, 56, pictures.sources[int(row)])
                drawing.text(left + 28, 74 * place + 69, caption(int(row)), anchor="middle")
        title = f"{view.title} {contents.noun} of each cluster"
        figures.append(Figure(f"montage_{view.name}", title, view.text, drawing))
    return tuple(figures)
