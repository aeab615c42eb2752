"""The last stage: figures of finished clusters. The only stage that reads labels."""

import math
from typing import Any

import numpy as np
import torch

from graphs import homophily
from iciclegcn.data.labels import Labels
from iciclegcn.data.sources import open_listing
from iciclegcn.errors import UserError
from iciclegcn.evaluation.calibration import calibration
from iciclegcn.evaluation.label_free import kmeans_on_features
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.evaluation.per_image import UNASSIGNED
from iciclegcn.evaluation.probes import knn_vote_accuracy, neighbor_purity
from iciclegcn.progress import Reporter
from iciclegcn.results.attacks import figures_under_attack
from iciclegcn.results.figures import figures_without_labels
from iciclegcn.results.quality import write_quality_tables
from iciclegcn.results.truth import read_truth
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.graphs import read_scale_graphs
from iciclegcn.run_folder.heads import head_clusters, soft_heads


def evaluate_stage(folder: RunFolder, reporter: Reporter, *, robustness: bool = False) -> None:
    """Results of the earlier stages to ``metrics.json`` and the tables beside it.

    Without labels, or when they cannot be read, the label-free figures are written all the same.

    Args:
        folder: Of a run whose clusters are there.
        reporter: Shown the progress.
        robustness: Attack the run's classifier too, which takes the images and a while.

    Raises:
        UserError: If the labels cannot be read or do not fit, or there are none to attack with.
    """
    with folder.stage("evaluate", reporter) as monitor:
        metrics = figures_without_labels(folder) | write_quality_tables(folder)
        folder.artefacts.write_metrics(metrics)
        labels = _labels(folder, reporter)
        if labels is not None:
            metrics |= figures_with_labels(folder, labels)
            folder.artefacts.write_metrics(metrics)
        if robustness and labels is None:
            raise UserError(
                "'--robustness' needs to know what is right; give the truth with --labels or "
                "--labels-from-folders"
            )
        if robustness and labels is not None:
            metrics["robustness"] = figures_under_attack(folder, labels.y, monitor)
            folder.artefacts.write_metrics(metrics)


def figures_with_labels(folder: RunFolder, labels: Labels) -> dict[str, Any]:
    """acc, nmi, ari, f1 and purity of every head and of k-means, and what the features know.

    ``knn_accuracy`` is the leave-one-out vote of the run's own neighbours, at the largest k,
    ``neighbor_purity`` the share of them that are of the same class; ``homophily`` the share of
    each scale's edges within a class; ``calibration`` how far each head's confidence is right, on
    all images. The head ``output`` counts the images that have been assigned; where some have not,
    ``all_images`` is about all.
    """
    artefacts, config = folder.artefacts, folder.config
    soft = soft_heads(artefacts, config)
    x, num_clusters = artefacts.read_array("features", mapped=True), soft["output"].shape[1]
    heads = head_clusters(artefacts, config)
    heads["kmeans_features"] = kmeans_on_features(x, num_clusters, seed=config.seed)
    neighbors = artefacts.read_arrays("neighbors")["indices"]
    return {
        "num_classes": len(labels.class_names),
        "knn_accuracy": knn_vote_accuracy(neighbors, labels.y),
        "neighbor_purity": neighbor_purity(neighbors, labels.y),
        "homophily": _homophily(folder, labels),
        "heads": {name: _scores(labels, clusters) for name, clusters in heads.items()},
        "calibration": {name: calibration(p, labels.y).figures() for name, p in soft.items()},
    }


def _scores(labels: Labels, clusters: np.ndarray) -> dict[str, float]:
    """The figures of the images that have been assigned."""
    assigned = clusters != UNASSIGNED
    return clustering_metrics(labels.y[assigned], clusters[assigned])


def _homophily(folder: RunFolder, labels: Labels) -> list[float | None]:
    """One share a scale; None for a graph without edges."""
    y = torch.from_numpy(labels.y)
    graphs = read_scale_graphs(folder.artefacts, folder.config.graph)
    shares = [homophily(graph.edge_index, y) for graph in graphs]
    return [None if math.isnan(share) else share for share in shares]


def _labels(folder: RunFolder, reporter: Reporter) -> Labels | None:
    data = folder.data
    try:
        source = open_listing(data)
    except UserError as error:
        if data.labels is not None or data.labels_from_folders:
            raise
        reporter.warn(f"the {data.noun} are not there, nor labels of their own: {error}")
        return None
    return read_truth(folder.path, data, source)
