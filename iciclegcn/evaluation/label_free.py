"""Figures of a clustering that need no truth."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import normalize

_DOMINANT_SHARE = 0.5
_FEWEST_CLUSTERS = 4  # with two or three, one cluster may well hold half of the images


class Collapse(NamedTuple):
    """Signs that clusters have died.

    Attributes:
        empty_clusters: Clusters without an image.
        largest_share: Share of the images in the largest cluster.
        collapsed: Whether a cluster is empty, or one of four or more holds over half the images.
    """

    empty_clusters: int
    largest_share: float
    collapsed: bool


def cluster_sizes(assignments: NDArray[np.int64], num_clusters: int) -> NDArray[np.int64]:
    """Number of rows of each cluster [K].

    Args:
        assignments: Clusters [N] in [0, K).
        num_clusters: K.
    """
    return np.bincount(assignments, minlength=num_clusters).astype(np.int64)


def collapse(assignments: NDArray[np.int64], num_clusters: int) -> Collapse:
    """Look for dead clusters.

    Args:
        assignments: Clusters [N] in [0, K).
        num_clusters: K.
    """
    sizes = cluster_sizes(assignments, num_clusters)
    empty = int((sizes == 0).sum())
    share = float(sizes.max() / sizes.sum())
    dominant = num_clusters >= _FEWEST_CLUSTERS and share > _DOMINANT_SHARE
    return Collapse(empty, share, empty > 0 or dominant)


def stream_agreement(streams: Sequence[NDArray[np.floating]]) -> float | None:
    """Share of rows that two streams put into one cluster, mean over the pairs of streams.

    Args:
        streams: Soft assignments [N, K] of every stream.

    Returns:
        A share in [0, 1], or None for a single stream.
    """
    hard = [stream.argmax(axis=1) for stream in streams]
    shares = [float((a == b).mean()) for a, b in combinations(hard, 2)]
    return float(np.mean(shares)) if shares else None


def silhouette_on_sample(
    x: NDArray[np.floating], assignments: NDArray[np.int64], *, seed: int, sample_size: int = 2000
) -> float | None:
    """Silhouette of rows scaled to length 1, on a random sample.

    Args:
        x: Features [N, D].
        assignments: Clusters [N].
        seed: Fixes the sample.
        sample_size: Rows at most: the cost grows with their square.

    Returns:
        A figure in [-1, 1], or None where the sample has one cluster, or one row in each.
    """
    rows = np.random.default_rng(seed).permutation(len(x))[:sample_size]
    present = len(np.unique(assignments[rows]))
    if not 1 < present < len(rows):
        return None
    return float(silhouette_score(normalize(x[rows]), assignments[rows]))


def kmeans_on_features(
    x: NDArray[Any], num_clusters: int, *, seed: int, restarts: int = 10
) -> NDArray[np.int64]:
    """Plain k-means on rows scaled to length 1: what the features give without the method.

    Args:
        x: Features [N, D].
        num_clusters: K.
        seed: Fixes the restarts.
        restarts: The best of so many.

    Returns:
        Clusters [N].
    """
    kmeans = KMeans(num_clusters, n_init=restarts, random_state=seed)
    return np.asarray(kmeans.fit_predict(normalize(x)), dtype=np.int64)
