"""Figures of a finished run that need no labels."""

from typing import Any

import numpy as np

from iciclegcn.evaluation.label_free import (
    collapse,
    label_free_metrics,
    stream_agreement,
)
from iciclegcn.evaluation.per_image import UNASSIGNED
from iciclegcn.run_folder.backbone import read_backbone
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.heads import numbered

# What labels, or --robustness, add.
_LATER = (
    *("num_classes", "knn_accuracy", "neighbor_purity", "homophily", "heads", "calibration"),
    "robustness",
)


def figures_without_labels(folder: RunFolder) -> dict[str, Any]:
    """Sizes, confidence, agreement, silhouette and signs of collapse.

    Images left unassigned do not count, except in the signs of collapse and in ``base_agreement``.
    Every method's have the same names; None where it has no such thing.
    """
    artefacts, config = folder.artefacts, folder.config
    soft = artefacts.read_arrays("assignments_soft")
    every = artefacts.read_every_cluster()
    assigned = artefacts.read_assignments().clusters != UNASSIGNED
    rows: slice | np.ndarray = slice(None) if assigned.all() else assigned  # a slice copies nothing
    num_clusters = soft["output"].shape[1]
    icicle = config.method == "icicle"
    figures = label_free_metrics(
        artefacts.read_array("features", mapped=True),
        [soft[name][rows] for name in numbered(soft, "stream")],
        soft["q"][rows] if "q" in soft else None,
        every[rows],
        soft["output"][rows],
        num_clusters,
        seed=config.seed,
        rows=np.flatnonzero(assigned),
    )
    return {
        "method": config.method,
        "num_images": len(every),
        "abstained": int((~assigned).sum()),
        "num_clusters": num_clusters,
        "output": config.mgcn.output if icicle else None,
        "backbone": _backbone(folder),
        **figures,
        "network_agreement": stream_agreement(
            [soft[name][rows] for name in numbered(soft, "network")]
        ),
        "base_agreement": _base_agreement(soft, every),
        "collapse": {
            "after_pretraining": _pretrained_collapse(folder, num_clusters) if icicle else None,
            "after_clustering": collapse(every, num_clusters)._asdict(),
        },
        **dict.fromkeys(_LATER),
    }


def _backbone(folder: RunFolder) -> dict[str, Any] | None:
    """Name, weights and origin of the trained backbone; None: it began at random."""
    told = read_backbone(folder.path, folder.config)
    if told is None:
        return None
    return {name: told[name] for name in ("name", "weights", "trained_on", "frozen")}


def _base_agreement(soft: dict[str, np.ndarray], clusters: np.ndarray) -> float | None:
    """Share of rows in the cluster of that number in the base run; methods keep the numbers."""
    if "base" not in soft:
        return None
    return float((soft["base"].argmax(axis=1) == clusters).mean())


def _pretrained_collapse(folder: RunFolder, num_clusters: int) -> dict[str, Any]:
    pretrained = folder.artefacts.read_array("pretrained_code").argmax(axis=1)
    return collapse(pretrained, num_clusters)._asdict()
