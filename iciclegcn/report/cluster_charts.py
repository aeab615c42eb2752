"""Cluster sizes and confidence, drawn."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from iciclegcn.report.axes import Axes, ticks
from iciclegcn.report.svg import Drawing, Figure
from iciclegcn.report.theme import cluster_colours

_WIDTH = 420
_ROW = 22
_MOST_BARS = 40
_BINS = 20


def size_chart(
    sizes: Sequence[int], confidence: Sequence[float | None], noun: str = "images"
) -> Figure:
    """One bar a cluster, the largest first where there are too many for a bar each in order.

    Args:
        sizes: Items of each cluster [K].
        confidence: Their mean confidence [K]; None for an empty cluster.
        noun: What the items are called.
    """
    order = list(range(len(sizes)))
    few = len(sizes) <= _MOST_BARS
    if not few:
        order = sorted(order, key=lambda cluster: (-sizes[cluster], cluster))[:_MOST_BARS]
    largest = max(ticks(0, max(*sizes, 1), 4))
    drawing = Drawing(_WIDTH, 8 + _ROW * len(order) + 34)
    left, right = 76, _WIDTH - 70
    bottom = 8 + _ROW * len(order)
    for value in ticks(0, max(*sizes, 1), 4):
        x = left + value / largest * (right - left)
        drawing.line(x, 4, x, bottom, "f-grid")
        drawing.text(x, bottom + 14, f"{value:,.0f}", anchor="middle")
    drawing.text((left + right) / 2, bottom + 30, f"{noun} in the cluster", anchor="middle")
    colours = cluster_colours(len(sizes))
    for place, cluster in enumerate(order):
        y = 8 + place * _ROW
        width = sizes[cluster] / largest * (right - left)
        drawing.text(left - 8, y + 13, f"cluster {cluster}", anchor="end")
        mean = confidence[cluster]
        tip = f"cluster {cluster}: {sizes[cluster]:,} {noun}"
        tip += "" if mean is None else f", mean confidence {mean:.3f}"
        drawing.rect(left, y + 2, width, _ROW - 7, fill=colours[cluster], title=tip)
        drawing.text(left + width + 6, y + 13, f"{sizes[cluster]:,}", "f-value")
    text = (
        f"{len(sizes)} clusters; the smallest holds {min(sizes):,} {noun}, the largest "
        f"{max(sizes):,}, the median one {float(np.median(sizes)):,.0f}."
    )
    if not few:
        text += f" The {_MOST_BARS} largest are drawn."
    return Figure("cluster_sizes", "Cluster sizes", text, drawing)


def confidence_chart(confidence: npt.NDArray[np.floating], noun: str = "images") -> Figure:
    """How many items have which confidence.

    Args:
        confidence: Probability of each item's own cluster [N], in [0, 1].
        noun: What the items are called.
    """
    values = np.clip(np.asarray(confidence, dtype=np.float64), 0.0, 1.0)
    counts, edges = np.histogram(values, bins=_BINS, range=(0.0, 1.0))
    axes = Axes(
        _WIDTH,
        240,
        (0, 1),
        (0, float(counts.max())),
        "confidence (probability of its cluster)",
        noun,
    )
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        top = axes.y(float(count))
        axes.drawing.rect(
            axes.x(float(low)) + 1,
            top,
            axes.x(float(high)) - axes.x(float(low)) - 2,
            axes.y(0.0) - top,
            "f-bar",
            title=f"confidence {low:.2f} to {high:.2f}: {count:,}",
        )
    text = (
        f"Confidence is {values.mean():.3f} on average; "
        f"{(values >= 0.9).mean():.1%} of the {noun} have .9 or more, "
        f"{(values < 0.5).mean():.1%} less than .5."
    )
    return Figure("confidence", "Confidence", text, axes.drawing)
