"""The few lines that a finished run prints."""

import shlex
from collections.abc import Iterator
from typing import Any

from iciclegcn.progress import duration
from iciclegcn.results.report import REPORT
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.manifest import DONE, Manifest

_FIGURES = ("acc", "nmi", "ari", "f1", "purity")
_HEADS = {
    "streams": "mean of the streams",
    "q": "q",
    "code": "code",
    "pretrained_code": "without GCNs",
    "kmeans_features": "k-means on features",
    "base": "the run before",
    "all_images": "none unassigned",
}
_METHODS = {"gcc": "GCC", "self-label": "self-labelling", "ruc": "RUC"}
_WIDTH = 79
_INDENT = 13
_MOST_SIZES = 12


def summarize(artefacts: RunArtefacts) -> str:
    """Where a run's results are and what they say, in lines of at most 79 characters.

    Args:
        artefacts: Results of the run; it may have finished only some stages.
    """
    manifest = Manifest(artefacts.path / "manifest.json")
    done = [stage for stage in manifest.stages if manifest.state(stage) == DONE]
    lines = list(_facts(artefacts, manifest, done))
    if "evaluate" in done and (metrics := artefacts.read_metrics())["heads"]:
        lines += ["", *_table(metrics), *_attacks(metrics.get("robustness") or {})]
    return "\n".join(lines)


def _facts(artefacts: RunArtefacts, manifest: Manifest, done: list[str]) -> Iterator[str]:
    path = artefacts.path
    yield _line("run folder", str(path))
    data = manifest.data
    if data is not None:
        skipped = f", {data['skipped']:,} skipped (skipped.csv)" if data["skipped"] else ""
        noun = "rows" if len(data.get("shape", ())) == 2 else "images"
        yield _line(noun, f"{data['num_images']:,}{skipped}")
    if {"cluster", "assign"} & set(done):
        yield _line("assignments", str(path / "assignments.csv"))
    if (path / REPORT).is_file():
        yield _line("report", str(path / REPORT))
    if "evaluate" in done:
        yield from _clusters(artefacts.read_metrics())
    spent = [(stage, manifest.stage(stage)["seconds"]) for stage in done]
    yield _line("time", ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in spent))
    missing = [stage for stage in manifest.stages if stage not in done]
    if missing and missing[0] not in ("data", "pretrain", "extract", "train"):
        command = f"iciclegcn {missing[0]} --out {shlex.quote(str(path))}"
        yield _line("next", command)


def _clusters(metrics: dict[str, Any]) -> Iterator[str]:
    if metrics.get("method") in _METHODS:
        yield _line("method", _METHODS[metrics["method"]])
    if metrics.get("backbone") is not None:
        yield _line("backbone", _backbone(metrics["backbone"]))
    sizes = sorted(metrics["cluster_sizes"], reverse=True)
    empty = sum(size == 0 for size in sizes)
    listed = ", ".join(f"{size:,}" for size in sizes[:_MOST_SIZES])
    more = ", ..." if len(sizes) > _MOST_SIZES else ""
    note = f", {empty} of them empty" if empty else ""
    yield _line("clusters", f"{len(sizes)}{note}")
    yield _line("sizes", listed + more)
    if metrics.get("abstained"):
        share = f"{metrics['abstained']:,} of {metrics['num_images']:,}, the least certain"
        yield _line("unassigned", f"{share}; the figures are of the others")
    yield _line("confidence", f"{metrics['mean_confidence']:.3f} on average")
    if metrics["stream_agreement"] is not None:
        yield _line("agreement", f"{metrics['stream_agreement']:.3f} between the streams")
    if metrics.get("network_agreement") is not None:
        yield _line("agreement", f"{metrics['network_agreement']:.3f} between the networks")
    if metrics.get("base_agreement") is not None:
        yield _line("unchanged", f"{metrics['base_agreement']:.1%} of the run before")
    if metrics["silhouette"] is not None:
        yield _line("silhouette", f"{metrics['silhouette']:.3f} of the features")
    if metrics.get("near_duplicates") is not None:
        yield from _listed(metrics)
    if metrics.get("neighbor_purity") is not None:
        yield _line("neighbours", f"{metrics['neighbor_purity']:.1%} of the same class")


def _listed(metrics: dict[str, Any]) -> Iterator[str]:
    """Where to look for what, if there is any."""
    if metrics["outliers"]:
        yield _line("outliers", f"{metrics['outliers']:,} (outliers.csv)")
    if copies := metrics["near_duplicates"]:
        groups = metrics["near_duplicate_groups"]
        parts = "group" if groups == 1 else "groups"
        yield _line("look alike", f"{copies:,} in {groups:,} {parts} (near_duplicates.csv)")


def _backbone(backbone: dict[str, Any]) -> str:
    """A trained backbone, and what its weights have seen: labels, perhaps."""
    way = "frozen" if backbone["frozen"] else "trained further"
    return f"{backbone['name']}, {way}, {backbone['trained_on']}"


def _table(metrics: dict[str, Any]) -> Iterator[str]:
    """One row a head; the one in assignments.csv comes first."""
    calibration = metrics.get("calibration") or {}
    last = f"{'ECE':>7}" if calibration else ""
    yield f"{'':<20}" + "".join(f"{figure.upper():>7}" for figure in _FIGURES) + last
    for name, figures in metrics["heads"].items():
        if name == metrics["output"]:
            continue  # the first row has it
        row = "".join(f"{figures[figure]:>7.3f}" for figure in _FIGURES)
        if name in calibration:
            row += f"{calibration[name]['ece']:>7.3f}"
        yield f"{'assignments.csv' if name == 'output' else _title(name):<20}{row}"


def _attacks(robustness: dict[str, dict[str, Any]]) -> Iterator[str]:
    """One row an attack: the accuracy without, and with pixels changed by so many of 255."""
    for number, (name, figures) in enumerate(robustness.items()):
        if number == 0:
            changes = [f"{255 * epsilon:g}/255" for epsilon in figures["epsilons"]]
            yield ""
            yield f"{'ACC under attack':<20}" + "".join(f"{x:>9}" for x in ("none", *changes))
        shares = (figures["clean"], *figures["accuracies"])
        yield f"{name.upper():<20}" + "".join(f"{share:>9.3f}" for share in shares)


def _title(head: str) -> str:
    kind, _, number = head.partition("_")
    if number.isdecimal():
        return f"{kind} {number}"
    return _HEADS[head]


def _line(name: str, text: str) -> str:
    """A name and its text; a text too long for the line breaks at commas."""
    width = _WIDTH - _INDENT
    rows, row = [], ""
    for part in text.split(", "):
        joined = f"{row}, {part}" if row else part
        if row and len(joined) > width - 1:
            rows.append(f"{row},")
            joined = part
        row = joined
    rows.append(row)
    return "\n".join(f"{name if i == 0 else '':<{_INDENT}}{row}" for i, row in enumerate(rows))
