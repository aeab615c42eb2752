"""Reliability diagrams, and risk against coverage, as a picture. Needs matplotlib."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plot_calibration(figures: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw a reliability diagram for each clustering, and the risks of all in one panel.

    Args:
        figures: `iciclegcn.evaluation.calibration.Calibration.figures` by title.
        path: File of the picture; its ending says of what kind.

    Raises:
        ValueError: If there is nothing to draw.
        ImportError: If matplotlib is not installed.
    """
    if not figures:
        raise ValueError("'figures' must name one clustering or more (got none)")
    import matplotlib

    matplotlib.use("Agg")  # draws into a file, also where there is no screen
    import matplotlib.pyplot as plt

    panels = len(figures) + 1
    figure, axes = plt.subplots(1, panels, figsize=(3.2 * panels, 3.4))
    for axis, (title, values) in zip(axes, figures.items(), strict=False):
        _reliability(axis, title, values)
        axes[-1].plot(values["coverage"], values["risk"], label=title)
    axes[0].set_ylabel("share in the right cluster")
    axes[-1].set(xlabel="coverage", ylabel="risk", title="risk against coverage")
    axes[-1].set_ylim(bottom=0)
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _reliability(axis: Any, title: str, values: Mapping[str, Any]) -> None:
    width = 1 / len(values["bins"])
    for place, each in enumerate(values["bins"]):
        if each["size"]:
            # Paler bars stand for fewer samples.
            share = each["size"] / sum(other["size"] for other in values["bins"])
            left = place * width
            axis.bar(
                left,
                each["accuracy"],
                width,
                align="edge",
                color="#1f6f8b",
                alpha=0.25 + 0.7 * share,
            )
            axis.plot([each["confidence"]], [each["accuracy"]], "o", color="#b3562e", ms=3)
    axis.plot([0, 1], [0, 1], color="black", lw=0.8)
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence")
    axis.set_title(f"{title}: ECE {values['ece']:.3f}", fontsize=9)
