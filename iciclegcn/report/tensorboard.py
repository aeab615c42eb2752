"""A finished run for TensorBoard: its curves, its figures of merit and its montages."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from iciclegcn.report.clusters_part import VIEWS
from iciclegcn.report.contents import Contents, read_contents
from iciclegcn.report.selection import certainty, pick
from iciclegcn.tensorboard_log import FOLDER, ScalarLog, forget, open_writer, require_tensorboard

_RESULTS = "results"
_NOT_VALUES = frozenset({"stage", "step"})
_COLUMNS = 12
_MOST_CLUSTERS = 50


def log_finished_run(folder: Path) -> Path:
    """Write everything that TensorBoard can show of a finished run.

    Args:
        folder: The run folder; its ``tensorboard`` is replaced.

    Returns:
        ``tensorboard`` in the run folder.

    Raises:
        UserError: If TensorBoard is not installed or the run is unfinished.
    """
    require_tensorboard()
    contents = read_contents(folder)
    forget(folder)
    logs: dict[str, ScalarLog] = {}
    try:
        for row in contents.history:
            stage = row["stage"]
            log = logs.setdefault(stage, ScalarLog(folder, stage))
            log.append(row["step"], {name: row[name] for name in row if name not in _NOT_VALUES})
    finally:
        for log in logs.values():
            log.close()
    _log_results(contents)
    return folder / FOLDER


def log_results(folder: Path) -> Path:
    """Add the results of a run whose curves were written while it trained.

    Args:
        folder: The run folder.

    Returns:
        ``tensorboard`` in the run folder.

    Raises:
        UserError: If TensorBoard is not installed or the run is unfinished.
    """
    require_tensorboard()
    _log_results(read_contents(folder))
    return folder / FOLDER


def results(contents: Contents) -> dict[str, float]:
    """The figures of merit by name: those of every output where there is a truth."""
    metrics = contents.metrics
    found = {
        name: float(metrics[name])
        for name in ("mean_confidence", "stream_agreement", "network_agreement", "silhouette")
        if metrics.get(name) is not None
    }
    for head, scores in (metrics.get("heads") or {}).items():
        found |= {f"{score}/{head}": float(value) for score, value in scores.items()}
    return found


def montage(
    images: npt.NDArray[np.uint8], rows: list[npt.NDArray[np.int64]]
) -> npt.NDArray[np.uint8]:
    """Images as one picture, a line for each list; missing ones are black.

    Args:
        images: uint8 [N, C, S, S].
        rows: Lists of rows.

    Returns:
        uint8 [C, lines * S, columns * S].
    """
    _, channels, side, _ = images.shape
    columns = max(map(len, rows), default=0)
    whole = np.zeros((channels, len(rows) * side, columns * side), np.uint8)
    for line, own in enumerate(rows):
        for column, row in enumerate(own):
            top, left = line * side, column * side
            whole[:, top : top + side, left : left + side] = images[row]
    return whole


def _log_results(contents: Contents) -> None:
    writer = open_writer(contents.path, _RESULTS)
    try:
        for name, value in results(contents).items():
            writer.add_scalar(name, value, 0)
        sure = certainty(contents.soft, contents.clusters)
        writer.add_histogram("confidence", sure.confidence, 0)
        if contents.images is None:
            return
        picks = pick(contents.x, contents.clusters, sure, contents.num_clusters, _COLUMNS)
        for view in VIEWS:
            rows = [getattr(each, view.name) for each in picks[:_MOST_CLUSTERS]]
            writer.add_image(f"clusters/{view.name}", montage(contents.images, rows), 0)
    finally:
        writer.close()
