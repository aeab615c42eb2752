"""Where stage 2 starts: a first partition of the images and the centres of Eq. 20."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor
from torch.nn import functional as F

from graphs.modularity import modularity
from iciclegcn.config import MGCNConfig
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.propagate import Propagation, propagate

# Where even the best partition cuts many edges, the graph is noisy and so is its modularity:
# gains below this share of what is missing to a perfect cut are not worth averaging further.
SMALL_GAIN = 0.05


class InitialPartition(NamedTuple):
    """Where stage 2 starts.

    Attributes:
        assignments: Hard assignments, int64 [N].
        centers: Means of the clusters [K, width of the rows that were cut].
        propagation_steps: How often the rows had been averaged over the graph.
        modularity: How well the partition follows the graph.
    """

    assignments: NDArray[np.int64]
    centers: NDArray[np.float32]
    propagation_steps: int
    modularity: float


def initial_partition(
    x: Tensor,
    code: Tensor,
    graph: Propagation,
    options: MGCNConfig,
    *,
    seed: int,
    monitor: StageMonitor,
) -> InitialPartition:
    """Partition the images by k-means on the code, or by features and code averaged over the graph.

    Averaged over the graph, images that are neighbours of neighbours come together, and cuts fall
    where edges are few; too much averaging and clusters melt. `choose` picks one of the candidates
    by their modularity, a figure of the graph alone.

    Args:
        x: Features [N, D].
        code: Softmax code [N, K].
        graph: The graph to average over, normalised.
        options: ``centers``, ``propagation_steps`` and ``kmeans_restarts``.
        seed: Fixes the restarts.
        monitor: Warned when the rows do not fall into K groups.

    Returns:
        The chosen candidate; of k-means, the best of its restarts.

    Source:
        IcicleGCN (Xu et al., 2024), below Eq. 20: k-means on the code. The rest is this
        library's departure.
    """
    edge_index = graph_edges(graph).cpu()

    def partition(rows: Tensor, steps: int) -> InitialPartition:
        assignments, centers = kmeans(rows, code.size(1), options.kmeans_restarts, seed)
        found = modularity(edge_index, torch.from_numpy(assignments))
        return InitialPartition(assignments, centers, steps, found)

    candidates = []
    if options.centers == "code":
        candidates.append(partition(code, 0))
    else:
        rows, done = F.normalize(x, dim=1), 0
        for steps in sorted(set(options.propagation_steps)):
            for _ in range(steps - done):
                rows = propagate(graph, rows)
            done = steps
            candidates.append(partition(F.normalize(rows, dim=1), steps))
    if options.centers == "either":
        candidates += code_partitions(code, graph, edge_index, options)
    return choose(candidates, code.size(1), monitor)


def code_partitions(
    code: Tensor, graph: Propagation, edge_index: Tensor, options: MGCNConfig
) -> list[InitialPartition]:
    """The largest entries of the code, averaged over the graph.

    Args:
        code: Softmax code [N, K].
        graph: The graph to average over, normalised.
        edge_index: Its edges [2, E] on the CPU, which give the modularity.
        options: ``propagation_steps``.

    Returns:
        One partition for each number of steps, ascending.
    """
    candidates = []
    rows, done = code, 0
    for steps in sorted(set(options.propagation_steps)):
        for _ in range(steps - done):
            rows = propagate(graph, rows)
        done = steps
        assignments = rows.argmax(dim=1)
        sums = torch.zeros_like(code[: code.size(1)]).index_add_(0, assignments, rows)
        sizes = torch.bincount(assignments, minlength=code.size(1))[:, None]
        centers = (sums / sizes.clamp(min=1)).float().cpu().numpy()
        found = modularity(edge_index, assignments.cpu())
        candidates.append(InitialPartition(assignments.cpu().numpy(), centers, steps, found))
    return candidates


def choose(
    candidates: Sequence[InitialPartition], num_clusters: int, monitor: StageMonitor
) -> InitialPartition:
    """The partition of the fewest steps whose modularity is close to the best.

    Close is within ``SMALL_GAIN`` of what the best one misses of 1 - 1/K, which K equal clusters
    without an edge between them would have. Of equally few steps the better one is taken.

    Args:
        candidates: One or more.
        num_clusters: K.
        monitor: Warned when the partition has fewer than K clusters.
    """
    best = max(candidate.modularity for candidate in candidates)
    tolerance = SMALL_GAIN * max(0.0, 1 - 1 / num_clusters - best)
    close = [each for each in candidates if each.modularity >= best - tolerance]
    chosen = min(close, key=lambda each: (each.propagation_steps, -each.modularity))
    warn_of_missing_clusters(chosen.assignments, num_clusters, monitor)
    return chosen


def warn_of_missing_clusters(
    assignments: NDArray[np.int64], num_clusters: int, monitor: StageMonitor
) -> None:
    """Tell when a first partition [N] has fewer than K clusters."""
    if (used := len(np.unique(assignments))) < num_clusters:
        monitor.warn(
            f"the first partition has {used} of {num_clusters} clusters: stage 1 has collapsed; "
            "train it longer, or lower '--num-clusters'"
        )


def graph_edges(graph: Propagation) -> Tensor:
    """Rows and columns [2, E] of a prepared graph."""
    rowptr, col = graph.rows.rowptr.long(), graph.rows.col.long()
    nodes = torch.arange(graph.num_nodes, device=col.device)
    return torch.stack([nodes.repeat_interleave(rowptr.diff()), col])


def kmeans(
    rows: Tensor, num_clusters: int, restarts: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Clusters [N] and centres [num_clusters, F] of rows [N, F]: the best of some restarts."""
    estimator = KMeans(num_clusters, n_init=restarts, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: told by the caller, in terms of the run.
        warnings.simplefilter("ignore", ConvergenceWarning)
        assignments = estimator.fit_predict(rows.cpu().numpy())
    return assignments.astype(np.int64), np.asarray(estimator.cluster_centers_, dtype=np.float32)


def code_centers(partition: InitialPartition, code: Tensor, options: MGCNConfig) -> Tensor:
    """The centres mu of Eq. 20 in the space of the code.

    Args:
        partition: What `initial_partition` returned.
        code: Softmax code [N, K].
        options: ``centers``.

    Returns:
        [K, K]: the k-means centres when it ran on the code, otherwise the mean code of every
        cluster of the partition; a cluster without images gets the mean of all codes.
    """
    num_clusters = code.size(1)
    if options.centers == "code":
        return torch.from_numpy(partition.centers).to(code)
    assignments = torch.from_numpy(partition.assignments).to(code.device)
    sums = code.new_zeros(num_clusters, num_clusters).index_add_(0, assignments, code)
    sizes = torch.bincount(assignments, minlength=num_clusters)[:, None]
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), code.mean(dim=0))
