"""Which cluster stands for which class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

UNMATCHED = -1


def matched_clusters(y: ArrayLike, assignments: ArrayLike) -> NDArray[np.int64]:
    """The cluster that stands for each sample's class, under the match that accuracy takes.

    The share of samples whose own cluster this is equals
    `iciclegcn.evaluation.metrics.clustering_accuracy`.

    Args:
        y: True classes [N], any values.
        assignments: Clusters [N], integers from 0.

    Returns:
        Clusters [N]; `UNMATCHED` for samples of a class that no cluster is left for.

    Raises:
        ValueError: If the two are not of one length, one-dimensional and non-empty, or a cluster
            is negative.
    """
    truth, clusters = np.asarray(y), np.asarray(assignments)
    if truth.ndim != 1 or truth.shape != clusters.shape or len(truth) == 0:
        raise ValueError(
            "'y' and 'assignments' must be one-dimensional, non-empty and of one length (got "
            f"shapes {truth.shape} and {clusters.shape})"
        )
    if not np.issubdtype(clusters.dtype, np.integer) or clusters.min() < 0:
        raise ValueError(
            f"'assignments' must be integers from 0 (got {clusters.dtype}, least {clusters.min()})"
        )
    classes, class_of = np.unique(truth, return_inverse=True)
    present = np.unique(clusters)
    table = contingency_matrix(truth, clusters)  # [classes, clusters present]
    matched_class, matched_cluster = linear_sum_assignment(table, maximize=True)
    cluster_of_class = np.full(len(classes), UNMATCHED, dtype=np.int64)
    cluster_of_class[matched_class] = present[matched_cluster]
    return cluster_of_class[class_of]
