"""Agreement of assignments with the truth."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_rand_score,
    fowlkes_mallows_score,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

_Labels = NDArray[Any]


def clustering_accuracy(y: ArrayLike, assignments: ArrayLike) -> float:
    """Share of samples whose cluster is matched to their class, under the best one-to-one match.

    Any number of clusters against any number of classes: with more clusters than classes the
    surplus clusters stay unmatched, and their samples count as wrong.

    Args:
        y: True classes [N], any values.
        assignments: Clusters [N], any values; never altered.

    Returns:
        Accuracy in [0, 1].

    Raises:
        ValueError: If the two are not of one length, one-dimensional and non-empty.
    """
    table = contingency_matrix(*_validated(y, assignments))
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def normalized_mutual_information(y: ArrayLike, assignments: ArrayLike) -> float:
    """Mutual information over the arithmetic mean of both entropies, in [0, 1].

    Args:
        y: True classes [N].
        assignments: Clusters [N].
    """
    return float(normalized_mutual_info_score(*_validated(y, assignments)))


def adjusted_rand_index(y: ArrayLike, assignments: ArrayLike) -> float:
    """Rand index corrected for chance, in [-0.5, 1]; 0 for random assignments.

    Args:
        y: True classes [N].
        assignments: Clusters [N].
    """
    return float(adjusted_rand_score(*_validated(y, assignments)))


def fowlkes_mallows_index(y: ArrayLike, assignments: ArrayLike) -> float:
    """Geometric mean of pairwise precision and recall, in [0, 1].

    Args:
        y: True classes [N].
        assignments: Clusters [N].
    """
    return float(fowlkes_mallows_score(*_validated(y, assignments)))


def clustering_f1(y: ArrayLike, assignments: ArrayLike) -> float:
    """Macro F1 after the match of `clustering_accuracy`: the mean over the true classes.

    This is the F1 of deep graph clustering (DAEGC, SDCN). A class without a matched cluster has
    F1 0; samples of unmatched clusters lower the recall of their class and no precision. The
    pairwise F1 of older work is another figure: see `fowlkes_mallows_index` for that kind.

    Args:
        y: True classes [N].
        assignments: Clusters [N].

    Returns:
        F1 in [0, 1].
    """
    table = contingency_matrix(*_validated(y, assignments))
    matched_class, matched_cluster = linear_sum_assignment(table, maximize=True)
    scores = np.zeros(table.shape[0])
    sizes = table.sum(axis=1)[matched_class] + table.sum(axis=0)[matched_cluster]
    scores[matched_class] = 2 * table[matched_class, matched_cluster] / sizes
    return float(scores.mean())


def purity(y: ArrayLike, assignments: ArrayLike) -> float:
    """Share of samples in the most frequent class of their cluster, in [0, 1].

    Rises with the number of clusters by itself: compare at equal numbers only.

    Args:
        y: True classes [N].
        assignments: Clusters [N].
    """
    table = contingency_matrix(*_validated(y, assignments))
    return float(table.max(axis=0).sum() / table.sum())


def clustering_metrics(y: ArrayLike, assignments: ArrayLike) -> dict[str, float]:
    """The figures of a run: ``acc``, ``nmi``, ``ari``, ``f1`` and ``purity``.

    Args:
        y: True classes [N].
        assignments: Clusters [N].

    Returns:
        Plain floats by name.

    Raises:
        ValueError: If the two are not of one length, one-dimensional and non-empty.

    Source:
        IcicleGCN (Xu et al., 2024), Section 4.2 (ACC, NMI, ARI).
    """
    return {
        "acc": clustering_accuracy(y, assignments),
        "nmi": normalized_mutual_information(y, assignments),
        "ari": adjusted_rand_index(y, assignments),
        "f1": clustering_f1(y, assignments),
        "purity": purity(y, assignments),
    }


def _validated(y: ArrayLike, assignments: ArrayLike) -> tuple[_Labels, _Labels]:
    truth, clusters = np.asarray(y), np.asarray(assignments)
    if truth.ndim != 1 or truth.shape != clusters.shape or len(truth) == 0:
        raise ValueError(
            "'y' and 'assignments' must be one-dimensional, non-empty and of one length (got "
            f"shapes {truth.shape} and {clusters.shape})"
        )
    return truth, clusters
