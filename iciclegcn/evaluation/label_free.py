"""Figures of a clustering that need no truth."""

from collections.abc import Mapping, Sequence
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


def label_free_metrics(
    x: NDArray[np.floating],
    streams: Sequence[NDArray[np.floating]],
    q: NDArray[np.floating] | None,
    assignments: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    num_clusters: int,
    *,
    seed: int,
    rows: NDArray[np.int64] | None = None,
    sample_size: int = 2000,
) -> dict[str, Any]:
    """Sizes, confidence, agreement and separation of the clusters of a run.

    Args:
        x: Features [N, D], or of more rows; may be memory-mapped, few of them are read.
        streams: Soft assignments [N, K] of every stream.
        q: Soft assignments [N, K] of the code; None: the method has no such thing.
        assignments: Clusters [N] in [0, K).
        probabilities: Soft assignments [N, K] that ``assignments`` come from.
        num_clusters: K, 2 or more.
        seed: Fixes the silhouette's sample.
        rows: Row of ``x`` of each assignment [N]; None: they are as many, in the same order.
        sample_size: Rows of that sample at most.

    Returns:
        Plain values, ready for JSON: ``cluster_sizes``, ``empty_clusters``, ``size_entropy``,
        ``mean_confidence`` (of each row's own cluster), ``stream_agreement``,
        ``pairwise_agreement`` (of streams and q) and ``silhouette``.

    Raises:
        ValueError: If shapes disagree or a cluster is outside [0, K).
    """
    heads = {f"stream_{index}": stream for index, stream in enumerate(streams)}
    heads |= {} if q is None else {"q": q}
    rows = np.arange(len(x)) if rows is None else rows
    _validate(x, rows, heads | {"probabilities": probabilities}, assignments, num_clusters)
    sizes = cluster_sizes(assignments, num_clusters)
    own = probabilities[np.arange(len(assignments)), assignments]
    return {
        "cluster_sizes": sizes.tolist(),
        "empty_clusters": int((sizes == 0).sum()),
        "size_entropy": size_entropy(sizes),
        "mean_confidence": float(own.mean(dtype=np.float64)),
        "stream_agreement": stream_agreement(streams),
        "pairwise_agreement": pairwise_agreement(heads),
        "silhouette": silhouette_on_sample(
            x, assignments, seed=seed, rows=rows, sample_size=sample_size
        ),
    }


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
    """Share of rows that all streams put into one cluster.

    Args:
        streams: Soft assignments [N, K] of every stream.

    Returns:
        A share in [0, 1], or None for a single stream.
    """
    hard = [stream.argmax(axis=1) for stream in streams]
    if len(hard) < 2:
        return None
    return float(np.all([clusters == hard[0] for clusters in hard[1:]], axis=0).mean())


def pairwise_agreement(heads: Mapping[str, NDArray[np.floating]]) -> dict[str, float]:
    """Share of rows that two heads put into one cluster, for every pair.

    Args:
        heads: Soft assignments [N, K] by name.

    Returns:
        Shares in [0, 1] by ``first/second``.
    """
    hard = {name: soft.argmax(axis=1) for name, soft in heads.items()}
    return {f"{a}/{b}": float((hard[a] == hard[b]).mean()) for a, b in combinations(hard, 2)}


def size_entropy(sizes: NDArray[np.int64]) -> float:
    """Entropy of the cluster sizes over log K: 1 when all are equal, 0 when one holds all.

    Args:
        sizes: Rows of each cluster [K], K >= 2.
    """
    share = sizes[sizes > 0] / sizes.sum()
    # Abs: one full cluster gives -0.0 otherwise.
    return abs(float((share * np.log(share)).sum())) / float(np.log(len(sizes)))


def silhouette_on_sample(
    x: NDArray[np.floating],
    assignments: NDArray[np.int64],
    *,
    seed: int,
    rows: NDArray[np.int64] | None = None,
    sample_size: int = 2000,
) -> float | None:
    """Silhouette of rows scaled to length 1, on a random sample.

    Args:
        x: Features [N, D], or of more rows.
        assignments: Clusters [N].
        seed: Fixes the sample.
        rows: Row of ``x`` of each assignment [N]; None: they are as many, in the same order.
        sample_size: Rows at most: the cost grows with their square.

    Returns:
        A figure in [-1, 1], or None where the sample has one cluster, or one row in each.
    """
    sample = np.random.default_rng(seed).permutation(len(assignments))[:sample_size]
    present = len(np.unique(assignments[sample]))
    if not 1 < present < len(sample):
        return None
    drawn = x[sample if rows is None else rows[sample]]
    return float(silhouette_score(normalize(drawn), assignments[sample]))


def kmeans_on_features(
    x: NDArray[Any], num_clusters: int, *, seed: int, restarts: int = 10
) -> NDArray[np.int64]:
    """Plain k-means on rows scaled to length 1: what the features give without the method.

    Args:
        x: Features [N, D]; may be memory-mapped.
        num_clusters: K.
        seed: Fixes the restarts.
        restarts: The best of so many.

    Returns:
        Clusters [N].
    """
    kmeans = KMeans(num_clusters, n_init=restarts, random_state=seed, copy_x=False)
    return np.asarray(kmeans.fit_predict(normalize(x)), dtype=np.int64)  # one copy, a mapped x none


def _validate(
    x: NDArray[np.floating],
    rows: NDArray[np.int64],
    heads: Mapping[str, NDArray[np.floating]],
    assignments: NDArray[np.int64],
    num_clusters: int,
) -> None:
    num_nodes = len(assignments)
    if num_nodes == 0 or num_clusters < 2:
        raise ValueError(
            "'assignments' must not be empty and 'num_clusters' at least 2 "
            f"(got {num_nodes} rows and {num_clusters})"
        )
    if x.ndim != 2 or len(rows) != num_nodes:
        raise ValueError(
            f"'x' must be [{num_nodes}, D] (got shape {x.shape}), or 'rows' of as many"
        )
    for name, soft in heads.items():
        if soft.shape != (num_nodes, num_clusters):
            raise ValueError(
                f"'{name}' must be [{num_nodes}, {num_clusters}] (got shape {soft.shape})"
            )
    if assignments.min() < 0 or assignments.max() >= num_clusters:
        raise ValueError(
            f"'assignments' must be in [0, {num_clusters - 1}] "
            f"(got [{assignments.min()}, {assignments.max()}])"
        )
