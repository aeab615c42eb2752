"""The map of a run: which items it shows, where they lie, and the data its script reads."""

import base64
import json
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.report.contents import Contents
from iciclegcn.report.pictures import sheet
from iciclegcn.report.projection import project
from iciclegcn.report.selection import Certainty
from iciclegcn.report.svg import Drawing, Figure
from iciclegcn.report.theme import UNASSIGNED, cluster_colours

MOST_POINTS = 5000
SIDE = 32  # pixels of a thumbnail

_BUDGET = 4_000_000  # bytes of text for the thumbnails
_SCALE = 65535
_FIGURE = 620
_NAMES = {"umap": "UMAP", "pca": "the first two principal components (PCA)"}


class Map(NamedTuple):
    """A laid-out sample of a run's items.

    Attributes:
        rows: Their rows, int64 [M], ascending.
        xy: Coordinates [M, 2] in [0, 1]; y upwards.
        kind: ``umap`` or ``pca``.
        note: Why it is not UMAP where that was tried in vain.
    """

    rows: npt.NDArray[np.int64]
    xy: npt.NDArray[np.float64]
    kind: str
    note: str = ""

    @property
    def method(self) -> str:
        """How it was laid out, in words."""
        return _NAMES[self.kind]


def lay_out(contents: Contents, kind: str = "auto", most: int = MOST_POINTS) -> Map:
    """Put a run's items, or a random sample of them, on a plane by their features.

    Args:
        contents: The run.
        kind: As for `iciclegcn.report.projection.project`.
        most: Items at most.

    Raises:
        UserError: If UMAP is asked for and not installed, or does not work.
    """
    rows = np.arange(contents.num_items)
    if len(rows) > most:
        draw = np.random.default_rng(contents.config.seed)
        rows = np.sort(draw.choice(contents.num_items, most, replace=False))
    cosine = contents.config.graph.metric == "cosine"
    found = project(contents.x[rows], kind, seed=contents.config.seed, unit_rows=cosine)
    return Map(rows, found.xy, found.kind, found.note)


def map_json(contents: Contents, laid_out: Map, sure: Certainty, right: Any | None) -> str:
    """What the page's script reads, safe inside a ``script`` element.

    Args:
        contents: The run.
        laid_out: Its map.
        sure: As `iciclegcn.report.selection.certainty` gives it.
        right: Whether each item is in its class's cluster, bool [N]; None: no truth.
    """
    rows = laid_out.rows
    truth = contents.truth
    data: dict[str, Any] = {
        "count": len(rows),
        "xy": _packed(np.round(laid_out.xy * _SCALE), "<u2"),
        "cluster": _packed(contents.clusters[rows], "<i4"),
        "second": _packed(sure.second[rows], "<i4"),
        "confidence": _packed(np.round(sure.confidence[rows] * _SCALE).clip(0, _SCALE), "<u2"),
        "secondProbability": _packed(
            np.round(sure.second_probability[rows] * _SCALE).clip(0, _SCALE), "<u2"
        ),
        "names": [contents.paths[row] for row in rows],
        "colours": cluster_colours(contents.num_clusters),
        "unassigned": UNASSIGNED,
    }
    if contents.images is not None:
        data["sheet"] = sheet(contents.images, rows, side=SIDE, budget=_BUDGET)._asdict()
    if truth is not None and right is not None:
        data["truth"] = _packed(truth.y[rows], "<i4")
        data["classes"] = truth.class_names
        data["classColours"] = cluster_colours(len(truth.class_names))
        data["right"] = _packed(np.asarray(right)[rows], "<u1")
    # Inside a script element only "<" could end it.
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def map_chart(contents: Contents, laid_out: Map) -> Figure:
    """The map as a figure without interaction."""
    drawing = Drawing(_FIGURE, _FIGURE)
    colours = [*cluster_colours(contents.num_clusters), UNASSIGNED]  # -1: the last
    span = laid_out.xy.max(axis=0)
    for row, (x, y) in zip(laid_out.rows, laid_out.xy, strict=True):
        colour = colours[contents.clusters[row]]
        drawing.dot(10 + x * (_FIGURE - 20), 10 + (span[1] - y) * (_FIGURE - 20), 2, fill=colour)
    for cluster, (x, y) in cluster_centers(contents, laid_out).items():
        place = (10 + x * (_FIGURE - 20), 14 + (span[1] - y) * (_FIGURE - 20))
        drawing.text(*place, str(cluster), "f-strong", anchor="middle")
    shown = f"{len(laid_out.rows):,} of {contents.num_items:,} {contents.noun}"
    text = f"{shown}, laid out by {laid_out.method} of their features, coloured by cluster."
    return Figure("map", "Map of the features", text, drawing)


def cluster_centers(contents: Contents, laid_out: Map) -> dict[int, tuple[float, float]]:
    """Middle of each cluster on the map: the median of its points."""
    own = contents.clusters[laid_out.rows]
    return {
        int(cluster): tuple(np.median(laid_out.xy[own == cluster], axis=0))
        for cluster in np.unique(own[own >= 0])
    }


def _packed(values: npt.NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode("ascii")
