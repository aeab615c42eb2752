"""The last stage: figures of finished clusters. The only stage that reads labels."""

from typing import Any

import numpy as np

from iciclegcn.data.labels import Labels, read_labels
from iciclegcn.data.sources import open_source
from iciclegcn.errors import UserError
from iciclegcn.evaluation.label_free import (
    cluster_sizes,
    collapse,
    kmeans_on_features,
    silhouette_on_sample,
    stream_agreement,
)
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.progress import Reporter
from iciclegcn.run_artefacts import RunArtefacts
from iciclegcn.run_folder import RunFolder


def evaluate_stage(folder: RunFolder, reporter: Reporter) -> None:
    """Results of the earlier stages to ``metrics.json``.

    Without labels, or when they cannot be read, the label-free figures are written all the same.

    Raises:
        UserError: If the labels cannot be read or do not fit.
    """
    with folder.stage("evaluate", reporter):
        metrics = label_free_metrics(folder)
        folder.artefacts.write_metrics(metrics)
        labels = _labels(folder, reporter)
        if labels is not None:
            metrics["num_classes"] = len(labels.class_names)
            metrics["heads"] = labelled_metrics(folder, labels)
            folder.artefacts.write_metrics(metrics)


def label_free_metrics(folder: RunFolder) -> dict[str, Any]:
    """Sizes, confidence, agreement, silhouette and signs of collapse."""
    artefacts, config = folder.artefacts, folder.config
    soft = artefacts.read_arrays("assignments_soft")
    assignments = artefacts.read_assignments()
    num_clusters = soft["output"].shape[1]
    pretrained = artefacts.read_array("pretrained_code").argmax(axis=1)
    streams = [soft[name] for name in sorted(soft) if name.startswith("stream_")]
    x = artefacts.read_array("features")
    return {
        "num_images": len(assignments.clusters),
        "num_clusters": num_clusters,
        "output": config.mgcn.output,
        "cluster_sizes": cluster_sizes(assignments.clusters, num_clusters).tolist(),
        "mean_confidence": float(assignments.confidences.mean()),
        "stream_agreement": stream_agreement(streams),
        "silhouette": silhouette_on_sample(x, assignments.clusters, seed=config.seed),
        "collapse": {
            "after_pretraining": collapse(pretrained, num_clusters)._asdict(),
            "after_clustering": collapse(assignments.clusters, num_clusters)._asdict(),
        },
        "num_classes": None,
        "heads": None,
    }


def labelled_metrics(folder: RunFolder, labels: Labels) -> dict[str, dict[str, float]]:
    """acc, nmi, ari, f1 and purity of every head, and of k-means on the features."""
    num_clusters = folder.artefacts.read_array("pretrained_code").shape[1]
    x = folder.artefacts.read_array("features")
    clusters = head_clusters(folder.artefacts)
    clusters["kmeans_features"] = kmeans_on_features(x, num_clusters, seed=folder.config.seed)
    return {name: clustering_metrics(labels.y, rows) for name, rows in clusters.items()}


def head_clusters(artefacts: RunArtefacts) -> dict[str, np.ndarray]:
    """Clusters [N] of every output head of a finished run, by name.

    ``output`` is what assignments.csv holds; ``streams`` the mean of the streams;
    ``pretrained_code`` the code of stage 1, that is without GCNs.
    """
    soft = artefacts.read_arrays("assignments_soft")
    names = sorted(name for name in soft if name.startswith("stream_"))
    heads = {"output": artefacts.read_assignments().clusters}
    heads["streams"] = np.mean([soft[name] for name in names], axis=0).argmax(axis=1)
    heads |= {name: soft[name].argmax(axis=1) for name in (*names, "q", "code")}
    heads["pretrained_code"] = artefacts.read_array("pretrained_code").argmax(axis=1)
    return heads


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
