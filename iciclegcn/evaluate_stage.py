"""The last stage: figures of finished clusters. The only stage that reads labels."""

import math
from typing import Any

import numpy as np
import torch

from graphs import homophily
from iciclegcn.data.labels import Labels, read_labels
from iciclegcn.data.sources import open_source
from iciclegcn.errors import UserError
from iciclegcn.evaluation.label_free import (
    collapse,
    kmeans_on_features,
    label_free_metrics,
)
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.evaluation.probes import knn_vote_accuracy
from iciclegcn.progress import Reporter
from iciclegcn.run_artefacts import RunArtefacts
from iciclegcn.run_folder import RunFolder
from iciclegcn.run_graphs import read_scale_graphs


def evaluate_stage(folder: RunFolder, reporter: Reporter) -> None:
    """Results of the earlier stages to ``metrics.json``.

    Without labels, or when they cannot be read, the label-free figures are written all the same.

    Raises:
        UserError: If the labels cannot be read or do not fit.
    """
    with folder.stage("evaluate", reporter):
        metrics = figures_without_labels(folder)
        folder.artefacts.write_metrics(metrics)
        labels = _labels(folder, reporter)
        if labels is not None:
            folder.artefacts.write_metrics(metrics | figures_with_labels(folder, labels))


def figures_without_labels(folder: RunFolder) -> dict[str, Any]:
    """Sizes, confidence, agreement, silhouette and signs of collapse."""
    artefacts, config = folder.artefacts, folder.config
    soft = artefacts.read_arrays("assignments_soft")
    clusters = artefacts.read_assignments().clusters
    num_clusters = soft["output"].shape[1]
    pretrained = artefacts.read_array("pretrained_code").argmax(axis=1)
    figures = label_free_metrics(
        artefacts.read_array("features"),
        [soft[name] for name in _stream_names(soft)],
        soft["q"],
        clusters,
        soft["output"],
        num_clusters,
        seed=config.seed,
    )
    return {
        "num_images": len(clusters),
        "num_clusters": num_clusters,
        "output": config.mgcn.output,
        **figures,
        "collapse": {
            "after_pretraining": collapse(pretrained, num_clusters)._asdict(),
            "after_clustering": collapse(clusters, num_clusters)._asdict(),
        },
        "num_classes": None,
        "knn_accuracy": None,
        "homophily": None,
        "heads": None,
    }


def figures_with_labels(folder: RunFolder, labels: Labels) -> dict[str, Any]:
    """acc, nmi, ari, f1 and purity of every head and of k-means, and what the features know.

    ``knn_accuracy`` is the leave-one-out vote of the run's own neighbours, at the largest k;
    ``homophily`` the share of each scale's edges within a class.
    """
    artefacts = folder.artefacts
    num_clusters = artefacts.read_array("pretrained_code").shape[1]
    x = artefacts.read_array("features")
    heads = head_clusters(artefacts)
    heads["kmeans_features"] = kmeans_on_features(x, num_clusters, seed=folder.config.seed)
    neighbors = artefacts.read_arrays("neighbors")["indices"]
    return {
        "num_classes": len(labels.class_names),
        "knn_accuracy": knn_vote_accuracy(neighbors, labels.y),
        "homophily": _homophily(folder, labels),
        "heads": {name: clustering_metrics(labels.y, rows) for name, rows in heads.items()},
    }


def head_clusters(artefacts: RunArtefacts) -> dict[str, np.ndarray]:
    """Clusters [N] of every output head of a finished run, by name.

    ``output`` is what assignments.csv holds; ``streams`` the mean of the streams;
    ``pretrained_code`` the code of stage 1, that is without GCNs.
    """
    soft = artefacts.read_arrays("assignments_soft")
    names = _stream_names(soft)
    heads = {"output": artefacts.read_assignments().clusters}
    heads["streams"] = np.mean([soft[name] for name in names], axis=0).argmax(axis=1)
    heads |= {name: soft[name].argmax(axis=1) for name in (*names, "q", "code")}
    heads["pretrained_code"] = artefacts.read_array("pretrained_code").argmax(axis=1)
    return heads


def _homophily(folder: RunFolder, labels: Labels) -> list[float | None]:
    """One share a scale; None for a graph without edges."""
    y = torch.from_numpy(labels.y)
    graphs = read_scale_graphs(folder.artefacts, folder.config.graph)
    shares = [homophily(graph.edge_index, y) for graph in graphs]
    return [None if math.isnan(share) else share for share in shares]


def _stream_names(soft: dict[str, np.ndarray]) -> list[str]:
    return [f"stream_{u}" for u in range(len(soft)) if f"stream_{u}" in soft]


def _labels(folder: RunFolder, reporter: Reporter) -> Labels | None:
    data = folder.config.data
    listing = folder.artefacts.read_listing()
    try:
        source = open_source(data)
    except UserError as error:
        if data.labels is not None or data.labels_from_folders:
            raise
        reporter.warn(f"the images are not there, nor labels of their own: {error}")
        return None
    paths = source.paths
    if len(listing.kept) and (
        listing.kept[-1] >= len(paths)
        or any(paths[i] != path for i, path in zip(listing.kept, listing.paths, strict=True))
    ):
        raise UserError(
            f"the images of '{data.source}' have changed since the run in '{folder.path}' began; "
            "restore them to evaluate it"
        )
    return read_labels(source, data, listing.kept)
