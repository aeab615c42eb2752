"""Which images of a clustering RUC trusts at the start."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs import knn
from iciclegcn.config import Config, GraphConfig
from iciclegcn.methods.search_warnings import telling
from iciclegcn.monitor import StageMonitor
from iciclegcn.runtime import Runtime

_BLOCK_VOTES = 2**24  # neighbours looked at together

Mask = NDArray[np.bool_]


class Clustering(NamedTuple):
    """What any clusterer says of N images, row = image index.

    Attributes:
        assignments: Clusters in [0, K), int64 [N].
        confidences: Probabilities of these clusters, float32 [N].
        embeddings: Rows whose neighbours vote, compared by cosine, float32 [N, d]; not looked at
            where ``ruc.sampling`` is ``confidence``.
    """

    assignments: NDArray[np.int64]
    confidences: NDArray[np.float32]
    embeddings: NDArray[np.float32]


def sample_clean(
    clustering: Clustering, config: Config, runtime: Runtime, monitor: StageMonitor
) -> Mask:
    """Split the images of a clustering into clean and unclean ones.

    Args:
        clustering: Of N images.
        config: The run's configuration; ``num_clusters`` must be resolved.
        runtime: Seeds the search for neighbours; every rank calls this, and rank 0 searches.
        monitor: Told when the search falls short.

    Returns:
        Which images are clean, bool [N], on every rank.

    Raises:
        UserError: If the neighbours cannot be searched as ``graph`` says.

    Source:
        RUC (Park et al., 2021), Section 3.1.
    """
    ranks = runtime.ranks
    clean: Mask = ranks.broadcast(
        _sample(clustering, config, runtime, monitor) if ranks.is_main else None
    )
    return clean


def confident(confidences: NDArray[np.float32], threshold: float) -> Mask:
    """Images whose confidence [N] reaches a threshold, bool [N] (confidence-based sampling)."""
    return np.asarray(confidences >= threshold)


def agreeing(
    assignments: NDArray[np.int64], neighbors: NDArray[np.int64], num_clusters: int
) -> Mask:
    """Images in the cluster that most of their neighbours are in (metric-based sampling).

    Args:
        assignments: Clusters in [0, K), int64 [N].
        neighbors: Neighbours of every image, itself excluded, int64 [N, k]; it votes too.
        num_clusters: K.

    Returns:
        bool [N]; a tied vote goes to the image's own cluster where that is among the tied.

    Source:
        RUC (Park et al., 2021), Section 3.1.
    """
    clean = np.empty(len(assignments), dtype=np.bool_)
    block = max(1, _BLOCK_VOTES // max(num_clusters, neighbors.shape[1]))
    for start in range(0, len(assignments), block):
        own = assignments[start : start + block]
        rows = np.arange(len(own))
        voted = assignments[neighbors[start : start + block]] + rows[:, None] * num_clusters
        votes = np.bincount(voted.ravel(), minlength=len(own) * num_clusters)
        votes = votes.reshape(len(own), num_clusters)
        votes[rows, own] += 1
        clean[start : start + block] = votes[rows, own] == votes.max(axis=1)
    return clean


def with_least(clean: Mask, clustering: Clustering, share: float) -> Mask:
    """Add the most confident images of every cluster that has too few clean ones.

    Args:
        clean: Which images are clean, bool [N].
        clustering: Of these images.
        share: Of each cluster's images, rounded up, that must be clean; 0 adds none.
    """
    clean = clean.copy()
    for cluster in np.unique(clustering.assignments):
        members = np.flatnonzero(clustering.assignments == cluster)
        missing = math.ceil(share * len(members)) - int(clean[members].sum())
        if missing > 0:
            rest = members[~clean[members]]
            surest = np.argsort(-clustering.confidences[rest], kind="stable")
            clean[rest[surest[:missing]]] = True
    return clean


def _sample(
    clustering: Clustering, config: Config, runtime: Runtime, monitor: StageMonitor
) -> Mask:
    options, num_clusters = config.ruc, int(config.num_clusters or 0)
    clean = np.ones(len(clustering.assignments), dtype=np.bool_)
    if options.sampling in ("confidence", "hybrid"):
        clean &= confident(clustering.confidences, options.confidence_threshold)
    others = min(options.num_neighbors, len(clean)) - 1
    if options.sampling in ("metric", "hybrid") and others > 0:
        seed = runtime.numpy_seed("ruc_neighbors")
        with telling(monitor):
            neighbors = _neighbors(clustering.embeddings, others, config.graph, seed)
        clean &= agreeing(clustering.assignments, neighbors, num_clusters)
    return with_least(clean, clustering, options.least_clean)


def _neighbors(
    embeddings: NDArray[np.float32], k: int, options: GraphConfig, seed: int
) -> NDArray[np.int64]:
    """The k nearest others by cosine [N, k]: the largest inner products of rows of norm 1."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    # A row of zeros, which has no direction, stays: it is as far from all others.
    unit = embeddings / np.maximum(norms, np.finfo(np.float32).tiny)
    return knn(
        unit,
        k,
        index=options.index,
        memory_gib=options.memory_gib,
        target_recall=options.target_recall,
        seed=seed,
    ).indices
