"""Figures of a finished run that need no labels."""

from typing import Any

import numpy as np

from iciclegcn.evaluation.label_free import (
    collapse,
    label_free_metrics,
    stream_agreement,
)
from iciclegcn.run_folder import RunFolder
from iciclegcn.run_heads import numbered

# What labels, or --robustness, add.
_LATER = (
    *("num_classes", "knn_accuracy", "neighbor_purity", "homophily", "heads", "calibration"),
    "robustness",
)


def figures_without_labels(folder: RunFolder) -> dict[str, Any]:
    """Sizes, confidence, agreement, silhouette and signs of collapse.

    Every method's have the same names; None where it has no such thing.
    """
    artefacts, config = folder.artefacts, folder.config
    soft = artefacts.read_arrays("assignments_soft")
    clusters = artefacts.read_assignments().clusters
    num_clusters = soft["output"].shape[1]
    icicle = config.method == "icicle"
    figures = label_free_metrics(
        artefacts.read_array("features"),
        [soft[name] for name in numbered(soft, "stream")],
        soft.get("q"),
        clusters,
        soft["output"],
        num_clusters,
        seed=config.seed,
    )
    return {
        "method": config.method,
        "num_images": len(clusters),
        "num_clusters": num_clusters,
        "output": config.mgcn.output if icicle else None,
        **figures,
        "network_agreement": stream_agreement([soft[name] for name in numbered(soft, "network")]),
        "base_agreement": _base_agreement(soft, clusters),
        "collapse": {
            "after_pretraining": _pretrained_collapse(folder, num_clusters) if icicle else None,
            "after_clustering": collapse(clusters, num_clusters)._asdict(),
        },
        **dict.fromkeys(_LATER),
    }


def _base_agreement(soft: dict[str, np.ndarray], clusters: np.ndarray) -> float | None:
    """Share of rows in the cluster of that number in the base run; methods keep the numbers."""
    if "base" not in soft:
        return None
    return float((soft["base"].argmax(axis=1) == clusters).mean())


def _pretrained_collapse(folder: RunFolder, num_clusters: int) -> dict[str, Any]:
    pretrained = folder.artefacts.read_array("pretrained_code").argmax(axis=1)
    return collapse(pretrained, num_clusters)._asdict()
