"""The head of the page: what was clustered, how it went, and what to be careful about."""

from collections.abc import Iterator
from pathlib import Path

from iciclegcn.report.contents import Contents
from iciclegcn.report.html import text
from iciclegcn.report.part import Part

METHODS = {
    "icicle": "IcicleGCN",
    "gcc": "GCC",
    "self-label": "Self-labelling",
    "ruc": "RUC",
}
_LOW_SILHOUETTE = 0.1


def summary_part(contents: Contents) -> Part:
    """Title, one sentence, the key figures as tiles, and notes."""
    tiles = "".join(
        f"<div class='tile'><dt>{text(name)}</dt><dd>{text(value)}</dd>"
        f"<dd class='hint'>{text(hint)}</dd></div>"
        for name, value, hint in _tiles(contents)
    )
    notes = "".join(f"<li>{text(note)}</li>" for note in _notes(contents))
    notes = f"<ul class='notes' aria-label='Notes'>{notes}</ul>" if notes else ""
    html = (
        f"<section id='summary' aria-label='Summary'><p class='lead'>{text(_sentence(contents))}"
        f"</p><dl class='tiles'>{tiles}</dl>{notes}</section>"
    )
    return Part("summary", "Summary", html)


def title(contents: Contents) -> str:
    """What the page is called: the data and the number of clusters."""
    return f"{source_name(contents)}, {contents.num_clusters} clusters"


def source_name(contents: Contents) -> str:
    """The data's name without its folders."""
    source = contents.config.data.source
    return Path(source).name or source


def _sentence(contents: Contents) -> str:
    method, noun = METHODS.get(contents.config.method, contents.config.method), contents.noun
    sentence = (
        f"{method} sorted {contents.num_items:,} {noun} into {contents.num_clusters} clusters "
        "without labels."
    )
    scores = (contents.metrics.get("heads") or {}).get("output")
    if scores is None:
        return f"{sentence} No truth was given, so nothing here says whether they are right."
    which = "of those with a cluster" if contents.num_unassigned else "of them"
    return (
        f"{sentence} Compared with the truth afterwards, {scores['acc']:.1%} {which} are in the "
        "one that stands for their class."
    )


def _tiles(contents: Contents) -> Iterator[tuple[str, str, str]]:
    metrics = contents.metrics
    scores = (metrics.get("heads") or {}).get("output")
    if scores is not None:
        yield "Accuracy", f"{scores['acc']:.1%}", "clusters matched to classes"
        yield "NMI", f"{scores['nmi']:.1%}", "information shared with the classes"
        yield "ARI", f"{scores['ari']:.1%}", "agreement beyond chance"
    yield "Confidence", f"{metrics['mean_confidence']:.3f}", "mean probability of the own cluster"
    for name, hint in (
        ("stream_agreement", "of the graph streams"),
        ("network_agreement", "of the networks"),
    ):
        if metrics.get(name) is not None:
            yield "Agreement", f"{metrics[name]:.1%}", hint
    if metrics.get("base_agreement") is not None:
        yield "Unchanged", f"{metrics['base_agreement']:.1%}", "in the cluster of the run before"
    if metrics.get("silhouette") is not None:
        yield "Silhouette", f"{metrics['silhouette']:.3f}", "separation in the features, −1 to 1"
    sizes, total = metrics["cluster_sizes"], contents.num_items  # the unassigned among them
    hint = f"of the {contents.noun}; smallest cluster {min(sizes) / total:.1%}"
    yield "Largest cluster", f"{max(sizes) / total:.1%}", hint


def _notes(contents: Contents) -> Iterator[str]:
    metrics = contents.metrics
    if backbone := metrics.get("backbone"):
        kept = "left as it is" if backbone["frozen"] else "where the training began"
        yield (
            f"The features come from a pretrained network, {backbone['name']} "
            f"({backbone['trained_on']}), {kept}. Where its weights have seen labels, these "
            "clusters owe them something."
        )
    after = (metrics.get("collapse") or {}).get("after_clustering") or {}
    if after.get("collapsed"):
        largest = f"the largest one holds {after['largest_share']:.0%} of the {contents.noun}"
        if empty := after["empty_clusters"]:
            words = "1 cluster is" if empty == 1 else f"{empty} clusters are"
            yield f"{words} empty and {largest}: clusters have died in training."
        else:
            yield f"No cluster is empty, but {largest}: it has swallowed others in training."
    silhouette = metrics.get("silhouette")
    if silhouette is not None and silhouette < _LOW_SILHOUETTE:
        yield (
            f"The silhouette is low ({silhouette:.3f}): in the features the clusters run into one "
            "another, so look at the borderline images before you rely on them."
        )
    if left_out := contents.num_unassigned:
        yield f"{left_out:,} {contents.noun} were too uncertain and are left unassigned."
    skipped = (contents.manifest.data or {}).get("skipped")
    if skipped:
        yield f"{skipped:,} files could not be read; skipped.csv lists them."
    yield from contents.notes
