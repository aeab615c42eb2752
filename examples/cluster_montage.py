"""Draw the most confident images of every cluster of a finished run.

    python examples/cluster_montage.py runs/demo montage.png

Needs matplotlib (in the extras ``benchmarks`` and ``dev``). One row is one cluster, its most
confident images first. Clusters have numbers, not names: nothing here knows what they show.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draws into a file, also where there is no screen

import matplotlib.pyplot as plt
import numpy as np

from iciclegcn.config import Config
from iciclegcn.config.values import build_config, read_config_file
from iciclegcn.data.cache import load_or_build_cache
from iciclegcn.data.sources import open_source
from iciclegcn.monitor import NullMonitor
from iciclegcn.run_folder.artefacts import RunArtefacts

COLUMNS = 16
MOST_CLUSTERS = 20


def most_confident(
    clusters: np.ndarray, confidences: np.ndarray, cluster: int, most: int
) -> np.ndarray:
    """Rows of a cluster's images, the most confident first; ties in index order."""
    rows = np.flatnonzero(clusters == cluster)
    return rows[np.argsort(-confidences[rows], kind="stable")][:most]


def draw(run: Path, file: Path) -> None:
    """Write the montage of a run folder as a PNG."""
    config = build_config(Config(), read_config_file(run / "config.yaml"))
    source = open_source(config.data)
    images = load_or_build_cache(source, config.data, monitor=NullMonitor()).images
    assignments = RunArtefacts(run).read_assignments()
    interpolation = "bicubic" if images.shape[-1] < 32 else "auto"  # 8 px digits read better smooth
    shown = range(min(config.num_clusters or 2, MOST_CLUSTERS))
    figure, axes = plt.subplots(
        len(shown), COLUMNS, squeeze=False, figsize=(0.5 * COLUMNS + 1.4, 0.5 * len(shown))
    )
    for cluster in shown:
        size = int((assignments.clusters == cluster).sum())
        rows = most_confident(assignments.clusters, assignments.confidences, cluster, COLUMNS)
        for axis in axes[cluster]:
            axis.set_axis_off()
        for axis, row in zip(axes[cluster], rows, strict=False):
            picture = images[row].transpose(1, 2, 0)  # [S, S, C]
            axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation=interpolation)
        label = f"cluster {cluster}\n{size} images"
        axes[cluster, 0].text(
            -0.25, 0.5, label, transform=axes[cluster, 0].transAxes, ha="right", va="center", size=7
        )
    figure.subplots_adjust(0.115, 0.01, 0.995, 0.99, wspace=0.08, hspace=0.08)
    figure.savefig(file, dpi=90, facecolor="white", pil_kwargs={"optimize": True})
    plt.close(figure)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: cluster_montage.py RUN_FOLDER PICTURE")
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"wrote {sys.argv[2]}")
