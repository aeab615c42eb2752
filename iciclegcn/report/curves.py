"""Curves of the training: every loss term, and how many assignments still change."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.report.axes import Axes
from iciclegcn.report.svg import Figure
from iciclegcn.run_folder.manifest import STAGES

CHANGES = "changed"  # share of the items in another cluster than before

_POINTS = 200
_WIDTH, _HEIGHT = 330, 210
_TITLES = {
    "loss": "total loss",
    "instance": "instance loss",
    "cluster": "cluster loss",
    "reconstruction": "reconstruction",
    "kl_code": "divergence of the code",
    "neighbor": "cluster loss between neighbours",
    "representation": "representation graph loss",
    "assignment": "assignment graph loss",
    "balance": "balance of the clusters",
    "labelled": "loss on trusted images",
    "unlabelled": "loss on the other images",
    "smoothed": "loss on smoothed labels",
    "clean": "trusted images",
    "unclean": "images not trusted",
    "confident": "share of confident images",
    "clusters": "clusters with confident images",
    CHANGES: "changed assignments",
}
_COUNTS = {"clean": "images", "unclean": "images", "clusters": "clusters"}
_SHARES = frozenset({"confident", CHANGES})


class Curve(NamedTuple):
    """One quantity by step, thinned: each point stands for the steps around it.

    Attributes:
        stage: Where it was logged.
        name: As in the history.
        step: Middle of the steps [P].
        mean: Mean over them [P].
        low: Least of them [P].
        high: Greatest of them [P].
    """

    stage: str
    name: str
    step: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def read_curves(history: Sequence[dict[str, Any]], points: int = _POINTS) -> list[Curve]:
    """Gather what a history holds, in the order it was logged.

    Args:
        history: Rows with ``stage``, ``step`` and numbers by name.
        points: Points a curve at most.
    """
    steps: dict[tuple[str, str], list[float]] = defaultdict(list)
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in history:
        for name, value in row.items():
            if name in ("stage", "step") or not isinstance(value, int | float):
                continue
            steps[row["stage"], name].append(row["step"])
            values[row["stage"], name].append(value)
    return [
        _thinned(stage, name, np.array(steps[stage, name], float), np.array(each, float), points)
        for (stage, name), each in values.items()
    ]


def curve_chart(curve: Curve) -> Figure:
    """A curve on labelled axes; the band spans what the steps of a point span."""
    share = curve.name in _SHARES
    title = curve_title(curve.name)
    label = "share" if share else _COUNTS.get(curve.name, "loss")
    low, high = float(curve.low.min()), float(curve.high.max())
    y_range = (0.0, high) if share or curve.name in _COUNTS else (low, high)
    first, last = float(curve.step[0]), float(curve.step[-1])
    span = (0.0 if first < 0.05 * last else first, last)
    axes = Axes(_WIDTH, _HEIGHT, span, y_range, "step", label, percent=share)
    band = axes.points(curve.step, curve.high) + axes.points(curve.step, curve.low)[::-1]
    axes.drawing.area(band, "f-band")
    axes.drawing.curve(axes.points(curve.step, curve.mean), "f-curve")
    text = f"From {_number(curve.mean[0], share)} to {_number(curve.mean[-1], share)}."
    name = re.sub(r"\W+", "_", f"{curve.stage}_{curve.name}")  # it becomes a file's name
    return Figure(name, f"{title[0].upper()}{title[1:]}", text, axes.drawing)


def is_curve_name(name: str) -> bool:
    """Whether the chart of a curve of ours can have that name."""
    stage, _, term = name.partition("_")
    known = term in _TITLES or re.fullmatch(r"kl_stream_\d+", term)
    return bool(known) and any(stage in stages for stages in STAGES.values())


def curve_title(name: str) -> str:
    """What a logged quantity is called for people."""
    if name.startswith("kl_stream_"):
        return f"divergence of stream {name.removeprefix('kl_stream_')}"
    return _TITLES.get(name, name.replace("_", " "))


def _number(value: float, share: bool) -> str:
    return f"{value:.1%}" if share else f"{value:.4g}"


def _thinned(
    stage: str,
    name: str,
    step: npt.NDArray[np.float64],
    value: npt.NDArray[np.float64],
    points: int,
) -> Curve:
    starts = np.unique(np.linspace(0, len(step), min(points, len(step)) + 1).astype(int)[:-1])
    sizes = np.diff(np.append(starts, len(step)))
    return Curve(
        stage,
        name,
        np.add.reduceat(step, starts) / sizes,
        np.add.reduceat(value, starts) / sizes,
        np.minimum.reduceat(value, starts),
        np.maximum.reduceat(value, starts),
    )
