"""The few lines that a finished run prints."""

import shlex
from collections.abc import Iterator
from typing import Any

from iciclegcn.progress import duration
from iciclegcn.run_artefacts import RunArtefacts
from iciclegcn.run_manifest import DONE, STAGES, Manifest

_FIGURES = ("acc", "nmi", "ari", "f1", "purity")
_HEADS = {
    "streams": "mean of the streams",
    "q": "q",
    "code": "code",
    "pretrained_code": "without GCNs",
    "kmeans_features": "k-means on features",
}
_WIDTH = 79
_INDENT = 13
_MOST_SIZES = 12


def summarize(artefacts: RunArtefacts) -> str:
    """Where a run's results are and what they say, in lines of at most 79 characters.

    Args:
        artefacts: Results of the run; it may have finished only some stages.
    """
    manifest = Manifest(artefacts.path / "manifest.json")
    done = [stage for stage in STAGES if manifest.state(stage) == DONE]
    lines = list(_facts(artefacts, manifest, done))
    if "evaluate" in done and (heads := artefacts.read_metrics()["heads"]):
        lines += ["", *_table(heads, artefacts.read_metrics()["output"])]
    return "\n".join(lines)


def _facts(artefacts: RunArtefacts, manifest: Manifest, done: list[str]) -> Iterator[str]:
    path = artefacts.path
    yield _line("run folder", str(path))
    data = manifest.data
    if data is not None:
        skipped = f", {data['skipped']:,} skipped (skipped.csv)" if data["skipped"] else ""
        yield _line("images", f"{data['num_images']:,}{skipped}")
    if "cluster" in done:
        yield _line("assignments", str(path / "assignments.csv"))
    if "evaluate" in done:
        yield from _clusters(artefacts.read_metrics())
    spent = [(stage, manifest.stage(stage)["seconds"]) for stage in done]
    yield _line("time", ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in spent))
    missing = [stage for stage in STAGES if stage not in done]
    if missing and missing[0] not in ("data", "pretrain"):
        command = f"iciclegcn {missing[0]} --out {shlex.quote(str(path))}"
        yield _line("next", command)


def _clusters(metrics: dict[str, Any]) -> Iterator[str]:
    sizes = sorted(metrics["cluster_sizes"], reverse=True)
    empty = sum(size == 0 for size in sizes)
    listed = ", ".join(f"{size:,}" for size in sizes[:_MOST_SIZES])
    more = ", ..." if len(sizes) > _MOST_SIZES else ""
    note = f", {empty} of them empty" if empty else ""
    yield _line("clusters", f"{len(sizes)}{note}")
    yield _line("sizes", listed + more)
    yield _line("confidence", f"{metrics['mean_confidence']:.3f} on average")
    if metrics["stream_agreement"] is not None:
        yield _line("agreement", f"{metrics['stream_agreement']:.3f} between the streams")
    if metrics["silhouette"] is not None:
        yield _line("silhouette", f"{metrics['silhouette']:.3f} of the features")


def _table(heads: dict[str, dict[str, float]], output: str) -> Iterator[str]:
    """One row a head; the one in assignments.csv comes first."""
    yield f"{'':<20}" + "".join(f"{figure.upper():>7}" for figure in _FIGURES)
    for name, figures in heads.items():
        if name == output:
            continue  # the first row has it
        title = "assignments.csv" if name == "output" else _title(name)
        yield f"{title:<20}" + "".join(f"{figures[figure]:>7.3f}" for figure in _FIGURES)


def _title(head: str) -> str:
    if head.startswith("stream_"):
        return f"stream {head[7:]}"
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
