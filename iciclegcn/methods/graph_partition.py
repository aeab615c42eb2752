"""Where stage 2 starts when the graph decides: its eigenvectors, and moves of single nodes."""

from collections.abc import Iterator

import numpy as np
import torch
from sklearn.preprocessing import normalize
from torch import Tensor

from graphs.eigenvectors import graph_eigenvectors
from graphs.modularity import modularity
from graphs.refine_partition import refine_partition
from iciclegcn.config import MGCNConfig
from iciclegcn.methods.block_partition import kmeans_in_blocks
from iciclegcn.methods.initial_partition import (
    InitialPartition,
    code_partitions,
    graph_edges,
    warn_of_missing_clusters,
)
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.propagate import Propagation

# Eigenvectors used, by the number of clusters. K of them tell K parts apart only where these are
# hardly connected; which number is best differs from graph to graph, and modularity tells.
_WIDTHS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.75)
_REFINED = 8  # so many of the best candidates have their nodes moved
# Modularities closer than this share of what is missing to a perfect cut are alike: there the code,
# which has seen the features, decides.
_ALIKE = 0.01


def graph_partition(
    code: Tensor,
    graph: Propagation,
    options: MGCNConfig,
    *,
    seed: int,
    monitor: StageMonitor,
) -> InitialPartition:
    """The partition of highest modularity that eigenvectors of the graph, or the code, lead to.

    Candidates are k-means on the rows of the leading eigenvectors, scaled to norm 1, and the
    largest entries of the code, averaged over the graph. In the best, single nodes then move to the
    cluster that most of their edges lead to, as far as the modularity gains. Of those that are then
    alike in modularity, the one that tells most of the code is taken.

    Args:
        code: Softmax code [N, K].
        graph: The graph, normalised; its edges count alike here.
        options: ``kmeans_restarts`` and ``propagation_steps``.
        seed: Fixes restarts and moves.
        monitor: Warned when a cluster is missing.

    Returns:
        The best candidate; its ``centers`` are the clusters' mean code [K, K].

    Source:
        Ng, Jordan, Weiss, On spectral clustering (NIPS 2001). Choosing among several numbers of
        eigenvectors, and the moves, are this library's.
    """
    edge_index, num_clusters = graph_edges(graph).cpu(), code.size(1)
    averaged = code_partitions(code.to(graph.rows.col.device), graph, edge_index, options)
    code = code.cpu()
    starts = [torch.from_numpy(each.assignments) for each in averaged]
    starts += _spectral_partitions(edge_index, len(code), num_clusters, options, seed)

    def rank(assignments: Tensor) -> tuple[int, float]:
        used = int((torch.bincount(assignments) > 0).sum())
        return used, modularity(edge_index, assignments)

    moved = [
        refine_partition(edge_index, start, num_clusters, torch.Generator().manual_seed(seed))
        for start in sorted(starts, key=rank, reverse=True)[:_REFINED]
    ]
    used, best = max(map(rank, moved))
    enough = best - _ALIKE * max(0.0, 1 - 1 / num_clusters - best)
    alike = [each for each in moved if rank(each) >= (used, enough)]
    assignments = max(alike, key=lambda each: _information(each, code))
    warn_of_missing_clusters(assignments.numpy(), num_clusters, monitor)
    sums = code.new_zeros(num_clusters, num_clusters).index_add_(0, assignments, code)
    sizes = torch.bincount(assignments, minlength=num_clusters)[:, None]
    centers = (sums / sizes.clamp(min=1)).float().numpy()
    return InitialPartition(assignments.numpy(), centers, 0, modularity(edge_index, assignments))


def _information(assignments: Tensor, code: Tensor) -> float:
    """Mutual information of hard clusters [N] and a soft code [N, K], in nats."""
    num_clusters = code.size(1)
    joint = torch.zeros(num_clusters, num_clusters, dtype=torch.float64)
    joint.index_add_(0, assignments, code.double())
    joint /= joint.sum()
    apart = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
    return float(torch.special.xlogy(joint, joint / apart.clamp_min(1e-300)).sum())


def _spectral_partitions(
    edge_index: Tensor, num_nodes: int, num_clusters: int, options: MGCNConfig, seed: int
) -> Iterator[Tensor]:
    widths = sorted({min(num_nodes, round(num_clusters * width)) for width in _WIDTHS})
    vectors = graph_eigenvectors(edge_index, num_nodes, widths[-1], seed)
    for width in widths:
        rows = torch.from_numpy(normalize(vectors[:, :width]).astype(np.float32))
        for restart in range(options.kmeans_restarts):
            # Each a candidate: the lowest sum of squares is seldom the highest modularity.
            assignments, _ = kmeans_in_blocks(
                rows, num_clusters, 1, (seed + restart) % 2**31, directions=False
            )
            yield torch.from_numpy(assignments)
