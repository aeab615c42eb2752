"""The figures of every number of clusters as a picture. Needs matplotlib."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iciclegcn.evaluation.num_clusters import Curves
from iciclegcn.evaluation.suggestion import LEAST_STABILITY, LEAST_TOGETHERNESS, Suggestion, spans

_COLOR, _FAINT, _MARK = "#1f6f8b", "#8a8a8a", "#b3562e"


def plot_num_clusters(curves: Curves, suggestion: Suggestion, kind: str = "png") -> bytes | None:
    """Draw stability, silhouette and togetherness against the number of clusters.

    Bands are standard deviations over the resamples; the suggestion is a line, and each number
    that does about as well is shaded.

    Args:
        curves: What to draw.
        suggestion: What came of them.
        kind: Of picture: ``png``, ``svg`` or ``pdf``.

    Returns:
        The picture's file; None where matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("Agg")  # draws into a file, also where there is no screen
    import matplotlib.pyplot as plt

    numbers = curves.num_clusters
    figure, axes = plt.subplots(3, 1, sharex=True, figsize=(6.4, 7.2))
    for axis, name in zip(axes, ("stability", "silhouette", "togetherness"), strict=True):
        _curve(axis, numbers, getattr(curves, name), _COLOR, name)
        for number in suggestion.about_as_well:
            axis.axvspan(number - 0.4, number + 0.4, color=_MARK, alpha=0.12)
        if suggestion.num_clusters is not None:
            axis.axvline(suggestion.num_clusters, color=_MARK, lw=1.2)
    _curve(axes[1], numbers, curves.silhouette_of_one, _FAINT, "of one cloud")
    axes[1].legend(fontsize=8, frameon=False)
    for axis, least in ((axes[0], LEAST_STABILITY), (axes[2], LEAST_TOGETHERNESS)):
        axis.axhline(least, color=_FAINT, lw=0.8, ls="--")
    axes[0].set(ylabel="stability\n(ARI of two halves)", title=_title(suggestion))
    axes[1].set(ylabel="mean silhouette")
    axes[2].set(ylabel="neighbours together\n(above chance)", xlabel="number of clusters")
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, dpi=120)
    plt.close(figure)
    return picture.getvalue()


def _curve(
    axis: Any, numbers: NDArray[np.int64], values: NDArray[np.float64], color: str, label: str
) -> None:
    mean, spread = values.mean(axis=0), values.std(axis=0)
    axis.plot(numbers, mean, "o-", color=color, ms=3, lw=1.2, label=label)
    axis.fill_between(numbers, mean - spread, mean + spread, color=color, alpha=0.2, lw=0)


def _title(suggestion: Suggestion) -> str:
    if suggestion.num_clusters is None:
        return "cannot tell the number of clusters"
    title = f"suggestion: {suggestion.num_clusters} clusters"
    if len(suggestion.about_as_well) == 1:
        return title
    return f"{title} ({spans(suggestion.about_as_well, last=' and ')} do as well)"
