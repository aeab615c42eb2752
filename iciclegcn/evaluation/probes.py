"""How much of the truth lies in features, before any clustering method."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphs import knn


def knn_accuracy(
    features: ArrayLike, y: ArrayLike, k: int = 20, *, metric: str = "cosine"
) -> float:
    """Leave-one-out accuracy of a k-NN vote, each neighbour with one voice.

    A tied vote goes to the class whose nearest member is closer.

    Args:
        features: Rows [N, D].
        y: True classes [N], any values.
        k: Neighbours that vote, in [1, N - 1].
        metric: ``cosine`` or ``l2``.

    Returns:
        Accuracy in [0, 1].

    Raises:
        ValueError: If the lengths differ, k is out of range or features are not finite.
    """
    rows, truth = _validated(features, y)
    return knn_vote_accuracy(knn(rows, k, metric=metric).indices, truth)


def knn_vote_accuracy(neighbors: ArrayLike, y: ArrayLike) -> float:
    """`knn_accuracy` on neighbours that are there already.

    Args:
        neighbors: Rows of each row's neighbours [N, k], nearest first, itself excluded.
        y: True classes [N].
    """
    indices, truth = _validated(neighbors, y)
    _, classes = np.unique(truth, return_inverse=True)
    votes = classes[indices]  # [N, k]
    num_nodes, k = votes.shape
    # Counts by class without an [N, classes] table: each neighbour counts its like.
    support = np.zeros((num_nodes, k), dtype=np.int64)
    for column in range(k):
        support += votes == votes[:, column : column + 1]
    winner = support.argmax(axis=1)  # The first of the largest: the nearest.
    return float((votes[np.arange(num_nodes), winner] == classes).mean())


def neighbor_purity(neighbors: ArrayLike, y: ArrayLike) -> float:
    """Share of all listed neighbours that are of their row's class, in [0, 1].

    Args:
        neighbors: Rows of each row's neighbours [N, k], itself excluded.
        y: True classes [N].
    """
    indices, truth = _validated(neighbors, y)
    return float((truth[indices] == truth[:, None]).mean())


def _validated(
    features: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.generic]]:
    rows, truth = np.asarray(features), np.asarray(y)
    if rows.ndim != 2 or truth.ndim != 1 or len(rows) != len(truth):
        raise ValueError(
            f"'y' must give one class for each row of a matrix (got shapes {truth.shape} and "
            f"{rows.shape})"
        )
    return rows, truth
