"""What the truth says of the clusters, drawn: the confusion matrix and the calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from iciclegcn.report.axes import Axes
from iciclegcn.report.svg import Drawing, Figure

_MOST_NUMBERS = 20  # classes: beyond, a cell is too small for a number
_SMALLEST_NAMED = 10  # pixels of a cell
_FAINT = 0.02
_NAME_WIDTH = 7  # pixels a letter


def confusion_chart(
    table: npt.NDArray[np.int64], class_names: Sequence[str], clusters: Sequence[int]
) -> Figure:
    """Classes against clusters, each cell shaded by its share of the class.

    Args:
        table: Items of each class in each cluster [C, K'].
        class_names: Of the rows.
        clusters: Numbers of the columns, the one that stands for a class in that class's place.

    Source:
        IcicleGCN (Xu et al., 2024), Figure 3.
    """
    num_classes, num_clusters = table.shape
    largest = max(num_classes, num_clusters)
    cell = 40 if largest <= 10 else 30 if largest <= _MOST_NUMBERS else max(6, 560 // largest)
    numbers = largest <= _MOST_NUMBERS
    names = [name if len(name) <= 16 else f"{name[:15]}…" for name in class_names]
    left = 30 + (_NAME_WIDTH * max(map(len, names)) if cell >= _SMALLEST_NAMED else 10)
    drawing = Drawing(left + cell * num_clusters + 10, 44 + cell * num_classes + 8)
    drawing.text(left + cell * num_clusters / 2, 14, "cluster", anchor="middle")
    drawing.text(12, 44 + cell * num_classes / 2, "class", anchor="middle", turned=True)
    if cell >= _SMALLEST_NAMED:
        for column, cluster in enumerate(clusters):
            drawing.text(left + cell * (column + 0.5), 34, str(cluster), anchor="middle")
    for row, counts in enumerate(table):
        top = 42 + row * cell
        if cell >= _SMALLEST_NAMED:
            drawing.text(left - 6, top + cell / 2 + 4, names[row], anchor="end")
        for column, count in enumerate(counts):
            share = float(count / max(counts.sum(), 1))
            if cell < _SMALLEST_NAMED and share < _FAINT:
                continue  # hundreds of clusters have tens of thousands of such cells
            tip = f"{class_names[row]}, cluster {clusters[column]}: {count:,} ({share:.1%})"
            place = (left + column * cell, top, cell - 1, cell - 1)
            drawing.rect(*place, "f-cell", opacity=0.05 + 0.95 * share, title=tip)
            if numbers and count:
                x = left + (column + 0.5) * cell
                drawing.text(x, top + cell / 2 + 4, _short(int(count)), "f-value", anchor="middle")
    size = min(num_classes, num_clusters)
    diagonal = np.trace(table[:size, :size])
    text = (
        f"{num_classes} classes against {num_clusters} clusters; columns are in the order of the "
        f"classes they stand for. {diagonal:,} of {table.sum():,} lie on the diagonal."
    )
    return Figure("confusion", "Classes against clusters", text, drawing)


def reliability_chart(
    figures: Mapping[str, Any], noun: str = "images", *, some_unassigned: bool = False
) -> Figure:
    """Accuracy by confidence; a run that is as often right as it is sure lies on the diagonal.

    Args:
        figures: `iciclegcn.evaluation.calibration.Calibration.figures` of the run's output.
        noun: What the items are called.
        some_unassigned: Whether the run leaves some out, which the figures count all the same.
    """
    axes = Axes(
        330,
        270,
        (0, 1),
        (0, 1),
        "confidence",
        "share in the right cluster",
        percent=True,
        percent_x=True,
    )
    width = 1 / len(figures["bins"])
    largest = max(each["size"] for each in figures["bins"])
    for place, each in enumerate(figures["bins"]):
        if not each["size"]:
            continue
        left, top = axes.x(place * width), axes.y(each["accuracy"])
        axes.drawing.rect(
            left + 1,
            top,
            axes.x((place + 1) * width) - left - 2,
            axes.y(0) - top,
            "f-bar",
            # Paler bars stand for fewer samples.
            opacity=0.3 + 0.7 * each["size"] / largest,
            title=f"confidence {each['confidence']:.3f}, right {each['accuracy']:.1%} of "
            f"{each['size']:,} {noun}",
        )
        axes.drawing.dot(axes.x(each["confidence"]), top, 3, "f-dot")
    axes.drawing.line(axes.x(0), axes.y(0), axes.x(1), axes.y(1), "f-dashed")
    gap = figures["confidence"] - figures["accuracy"]
    verdict = "about as sure as it is right"
    if abs(gap) > 0.02:
        verdict = "surer than it is right" if gap > 0 else "less sure than it is right"
    whose = f" (of all {noun}, also those left unassigned)" if some_unassigned else ""
    text = (
        f"The run is {verdict}: confidence {figures['confidence']:.1%} on average, "
        f"{figures['accuracy']:.1%} right{whose}; expected calibration error {figures['ece']:.3f}."
    )
    return Figure("reliability", "Calibration", text, axes.drawing)


def risk_chart(figures: Mapping[str, Any], *, some_unassigned: bool = False) -> Figure:
    """Share of errors among the most confident items, by how many of them are taken.

    Args:
        figures: As for `reliability_chart`.
        some_unassigned: Likewise.
    """
    coverage, risk = figures["coverage"], figures["risk"]
    axes = Axes(
        330,
        270,
        (0, 1),
        (0, max(*risk, 0.01)),
        "coverage: the most confident so many",
        "share in a wrong cluster",
        percent=True,
        percent_x=True,
    )
    axes.drawing.curve(axes.points(coverage, risk), "f-curve")
    half = risk[len(risk) // 2 - 1]
    whose = ", also those left unassigned," if some_unassigned else ""
    text = (
        f"Of the most confident half {half:.1%} are in a wrong cluster, of all{whose} "
        f"{risk[-1]:.1%}; the mean over all coverages is {figures['risk_area']:.3f}."
    )
    return Figure("risk_coverage", "Errors among the most confident", text, axes.drawing)


def _short(count: int) -> str:
    """A count in at most four characters."""
    if count < 10_000:
        return str(count)
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1e6:.0f}M"
