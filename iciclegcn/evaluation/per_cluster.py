"""What a clustering looks like, cluster by cluster, without the truth."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_A_TIME = 8192


class ClusterTable(NamedTuple):
    """One entry a cluster, in order.

    Attributes:
        sizes: Images assigned to it, int64 [K].
        confidences: Their mean confidence, float64 [K]; NaN for an empty cluster.
        densities: How close their nearest neighbours are, float64 [K]: 1 as in the whole data,
            2 at half the distance; NaN where there is nothing to compare.
        nearest: The cluster whose mean features are nearest, int64 [K]; -1 for an empty cluster or
            where there is no other.
    """

    sizes: NDArray[np.int64]
    confidences: NDArray[np.float64]
    densities: NDArray[np.float64]
    nearest: NDArray[np.int64]


def cluster_table(
    x: NDArray[np.floating],
    squared_distances: NDArray[np.floating],
    clusters: NDArray[np.int64],
    confidences: NDArray[np.floating],
    num_clusters: int,
    *,
    metric: str = "l2",
) -> ClusterTable:
    """Size, mean confidence, density and nearest cluster of every cluster.

    Args:
        x: Features [N, D]; may be memory-mapped, and is read in blocks.
        squared_distances: Those to each row's neighbours [N, k].
        clusters: Clusters [N] below K; negative for rows that are in none, which count in the
            density of the whole data alone.
        confidences: Of each row's cluster [N].
        num_clusters: K.
        metric: ``l2``, or ``cosine``: rows scaled to length 1.

    Raises:
        ValueError: If lengths disagree or a cluster is K or more.
    """
    _validate(x, squared_distances, clusters, confidences, num_clusters)
    member = clusters >= 0
    labels = clusters[member]
    sizes = np.bincount(labels, minlength=num_clusters)

    def means(values: NDArray[np.floating]) -> NDArray[np.float64]:
        sums = np.bincount(labels, weights=values[member], minlength=num_clusters)
        return np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan)

    reach = np.sqrt(squared_distances, dtype=np.float64).mean(axis=1)
    near = means(reach)
    densities = np.full(num_clusters, np.nan)
    np.divide(reach.mean(), near, out=densities, where=near > 0)
    centers = _centers(x, clusters, sizes, metric)
    return ClusterTable(
        sizes.astype(np.int64), means(confidences), densities, _nearest(centers, sizes)
    )


def _centers(
    x: NDArray[np.floating], clusters: NDArray[np.int64], sizes: NDArray[np.int64], metric: str
) -> NDArray[np.float64]:
    """Mean row of each cluster [K, D]; zero where it is empty."""
    sums = np.zeros((len(sizes), x.shape[1]))
    for start in range(0, len(x), _ROWS_AT_A_TIME):
        rows = np.asarray(x[start : start + _ROWS_AT_A_TIME], dtype=np.float64)
        labels = clusters[start : start + _ROWS_AT_A_TIME]
        if metric == "cosine":
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for cluster in np.unique(labels[labels >= 0]):
            sums[cluster] += rows[labels == cluster].sum(axis=0)
    return sums / np.maximum(sizes, 1)[:, None]


def _nearest(centers: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The other cluster, not empty, of the nearest centre; -1 for none."""
    nearest = np.full(len(sizes), -1, dtype=np.int64)
    filled = np.flatnonzero(sizes)
    for cluster in filled if len(filled) > 1 else ():
        distances = np.square(centers[filled] - centers[cluster]).sum(axis=1)
        distances[filled == cluster] = np.inf
        nearest[cluster] = filled[distances.argmin()]
    return nearest


def _validate(
    x: NDArray[np.floating],
    squared_distances: NDArray[np.floating],
    clusters: NDArray[np.int64],
    confidences: NDArray[np.floating],
    num_clusters: int,
) -> None:
    lengths = {len(x), len(squared_distances), len(clusters), len(confidences)}
    if len(lengths) > 1 or not len(clusters):
        raise ValueError(
            "'x', 'squared_distances', 'clusters' and 'confidences' must have one row an image "
            f"(got {len(x)}, {len(squared_distances)}, {len(clusters)} and {len(confidences)})"
        )
    if clusters.max() >= num_clusters:
        raise ValueError(
            f"'clusters' must be below 'num_clusters', {num_clusters} (got {clusters.max()})"
        )
