"""How good each number of clusters is, by figures that need no truth."""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, ward
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    adjusted_rand_score,
    pairwise_distances,
    pairwise_distances_argmin,
    silhouette_score,
)

_Rows = NDArray[np.floating]
_Labels = NDArray[np.int64]


class Curves(NamedTuple):
    """Figures of every number of clusters, one row a resample.

    Attributes:
        num_clusters: K of each column, int64 [n], ascending.
        stability: Agreement of two disjoint halves of a sample, each clustered on its own, about
            the second half: adjusted Rand index, float64 [resamples, n].
        silhouette: Of that half's own clusters, float64 [resamples, n].
        silhouette_of_one: The same for a single Gaussian cloud of the same covariance: what K
            clusters look like where there is one, float64 [resamples, n].
        togetherness: Share of neighbours in one cluster, corrected for chance: 0 as if clusters
            were drawn, 1 when no neighbours are parted, float64 [resamples, n].
    """

    num_clusters: NDArray[np.int64]
    stability: NDArray[np.float64]
    silhouette: NDArray[np.float64]
    silhouette_of_one: NDArray[np.float64]
    togetherness: NDArray[np.float64]


class _Partition(NamedTuple):
    labels: _Labels  # [n]
    centers: _Rows  # [at most K, d]


def num_clusters_curves(
    rows: _Rows,
    neighbors: _Labels,
    candidates: Sequence[int],
    *,
    resamples: int = 10,
    sample_size: int = 4000,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Curves:
    """Cluster random halves of the rows into every number of clusters.

    Each half is cut by Ward's criterion, whose one tree holds all numbers of clusters, and every
    cut improved by k-means from there. The first half's centres then name clusters for the second.

    Args:
        rows: Coordinates [N, d] in which distances mean something; see `learned_space`.
        neighbors: Each row's neighbours [N, k].
        candidates: Numbers of clusters, each in [2, `most_clusters`].
        resamples: How often halves are drawn.
        sample_size: Rows of both halves together at most: the cost grows with their square.
        seed: Fixes every draw.
        progress: Told how many resamples are done, of how many.

    Raises:
        ValueError: If lengths differ or a number is out of range.

    Source:
        Stability: Lange et al. (2004), with the adjusted Rand index for the distance; silhouette:
        Rousseeuw (1987); one cloud to compare with: after Tibshirani et al. (2001).
    """
    numbers = np.unique(np.asarray(candidates, dtype=np.int64))
    _validate(rows, neighbors, numbers, resamples, sample_size)
    rng = np.random.default_rng(seed)
    figures = np.empty((4, resamples, len(numbers)))
    for resample in range(resamples):
        sample = rng.permutation(len(rows))[:sample_size]
        half = len(sample) // 2
        first, second = rows[sample[:half]], rows[sample[half:]]
        cloud = _cloud(rows[sample], half, rng)
        distances, cloud_distances = pairwise_distances(second), pairwise_distances(cloud)
        near = _NeighborSample.of(sample, neighbors)
        trees = [ward(part) for part in (first, second, cloud)]
        for column, number in enumerate(numbers):
            ours, theirs, clouds = (
                _cut(part, tree, int(number))
                for part, tree in zip((first, second, cloud), trees, strict=True)
            )
            named = pairwise_distances_argmin(second, ours.centers)
            figures[:, resample, column] = (
                adjusted_rand_score(named, theirs.labels),
                _silhouette(distances, theirs.labels),
                _silhouette(cloud_distances, clouds.labels),
                near.togetherness(rows, ours.centers),
            )
        progress(resample + 1, resamples)
    return Curves(numbers, *figures)


def most_clusters(num_rows: int, sample_size: int = 4000) -> int:
    """The largest number of clusters that halves of a sample can tell of: four rows in each."""
    return min(num_rows, sample_size) // 8


class _NeighborSample(NamedTuple):
    """Pairs of neighbours, with only the rows that are in one.

    Attributes:
        members: Row numbers [m].
        pairs: Places in ``members`` of the two of each pair [2, p].
    """

    members: _Labels
    pairs: _Labels

    @classmethod
    def of(cls, sample: _Labels, neighbors: _Labels) -> "_NeighborSample":
        pairs = np.stack([np.repeat(sample, neighbors.shape[1]), neighbors[sample].ravel()])
        members, places = np.unique(pairs, return_inverse=True)
        return cls(members, places.reshape(pairs.shape))

    def togetherness(self, rows: _Rows, centers: _Rows) -> float:
        """Share of pairs in one cluster beyond what random pairs of these rows would have."""
        labels = pairwise_distances_argmin(rows[self.members], centers)
        left, right = labels[self.pairs]
        shares = np.bincount(labels[self.pairs].ravel()) / self.pairs.size
        expected = float(np.square(shares).sum())
        if expected == 1:
            return 0.0  # one cluster: nothing could be parted
        return float((left == right).mean() - expected) / (1 - expected)


def _cut(rows: _Rows, tree: NDArray[np.float64], number: int) -> _Partition:
    """Ward's clusters, improved by k-means."""
    labels = fcluster(tree, number, "maxclust") - 1
    centers = np.stack([rows[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # copies: fewer distinct rows than K
        kmeans = KMeans(len(centers), init=centers, n_init=1, max_iter=20).fit(rows)
    return _Partition(kmeans.labels_.astype(np.int64), kmeans.cluster_centers_)


def _cloud(rows: _Rows, count: int, rng: np.random.Generator) -> _Rows:
    """Draws [count, d] from the normal distribution with the rows' covariance."""
    values, vectors = np.linalg.eigh(np.cov(rows.T).reshape(rows.shape[1], -1))
    scales = np.sqrt(values.clip(min=0))
    cloud: _Rows = (rng.standard_normal((count, len(scales))) * scales) @ vectors.T
    return cloud.astype(rows.dtype)


def _silhouette(distances: NDArray[np.floating], labels: _Labels) -> float:
    """0, which is undecided, where the rows are all in one cluster."""
    if len(np.unique(labels)) < 2:
        return 0.0
    return float(silhouette_score(distances, labels, metric="precomputed"))


def _validate(
    rows: _Rows, neighbors: _Labels, numbers: _Labels, resamples: int, sample_size: int
) -> None:
    if rows.ndim != 2 or neighbors.ndim != 2 or len(rows) != len(neighbors):
        raise ValueError(
            "'rows' [N, d] and 'neighbors' [N, k] must have one length (got shapes "
            f"{rows.shape} and {neighbors.shape})"
        )
    most = most_clusters(len(rows), sample_size)
    if not len(numbers) or numbers[0] < 2 or numbers[-1] > most:
        raise ValueError(
            f"'candidates' must be in [2, {most}] for {len(rows)} rows (got {numbers.tolist()})"
        )
    if resamples < 2:
        raise ValueError(f"'resamples' must be at least 2 (got {resamples})")
