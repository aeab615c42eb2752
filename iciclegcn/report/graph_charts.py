"""Degrees of a run's graphs, drawn."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.report.axes import Axes
from iciclegcn.report.svg import Figure

_BINS = 24


class Scale(NamedTuple):
    """One graph of a run.

    Attributes:
        k: Neighbours that each node chose.
        degrees: Neighbours that it has after the edges were made symmetric, int64 [N].
        num_edges: Undirected edges.
        isolated: Nodes without a neighbour.
        components: Connected components.
        homophily: Share of the edges within a class; None: not known.
    """

    k: int
    degrees: npt.NDArray[np.int64]
    num_edges: int
    isolated: int
    components: int
    homophily: float | None


def degree_chart(scale: Scale, noun: str = "images") -> Figure:
    """How many nodes have how many neighbours; the last bar holds the few beyond it.

    Args:
        scale: A graph.
        noun: What the nodes are called.
    """
    degrees = scale.degrees
    # Hubs would squeeze everything else to the left.
    highest = max(int(np.quantile(degrees, 0.995, method="higher")), 1)
    step = max(1, -(-(highest + 1) // _BINS))
    counts = np.bincount(np.minimum(degrees, highest) // step)
    x_range = (-0.5, len(counts) * step - 0.5)  # a bar's middle is its number
    axes = Axes(330, 200, x_range, (0, float(counts.max())), "neighbours", noun)
    for place, count in enumerate(counts):
        left, top = axes.x(place * step - 0.5), axes.y(float(count))
        last = place + 1 == len(counts)
        range_text = f"{place * step} or more" if last else _range(place * step, step)
        axes.drawing.rect(
            left + 1,
            top,
            axes.x((place + 1) * step - 0.5) - left - 2,
            axes.y(0) - top,
            "f-bar",
            title=f"neighbours {range_text}: {count:,}",
        )
    text = (
        f"With k = {scale.k} a node has {degrees.mean():.1f} neighbours on average, "
        f"{degrees.min():,} at least and {degrees.max():,} at most."
    )
    return Figure(f"degrees_k{scale.k}", f"Neighbours at k = {scale.k}", text, axes.drawing)


def degree_table(scales: Sequence[Scale]) -> list[list[str]]:
    """The scales as rows of text: k, edges, degrees, components, isolated nodes, homophily."""
    return [
        [
            str(scale.k),
            f"{scale.num_edges:,}",
            f"{scale.degrees.mean():.1f}",
            f"{scale.degrees.min():,} to {scale.degrees.max():,}",
            f"{scale.components:,}",
            f"{scale.isolated:,}",
            "" if scale.homophily is None else f"{scale.homophily:.1%}",
        ]
        for scale in scales
    ]


def _range(low: int, step: int) -> str:
    return str(low) if step == 1 else f"{low} to {low + step - 1}"
