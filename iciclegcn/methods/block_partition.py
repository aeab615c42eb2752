"""The first partition of more images than fit: the same steps, in blocks and on a sample."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from graphs.modularity import modularity
from iciclegcn.config import MGCNConfig
from iciclegcn.methods.initial_partition import (
    InitialPartition,
    choose,
    code_partitions,
    graph_edges,
    kmeans,
)
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.layerwise import Rows, empty_rows, multiply_in_blocks, row_blocks
from iciclegcn.nn.propagate import Propagation

KMEANS_ROWS = 100_000  # k-means runs on a random sample of so many rows where there are more


def initial_partition_in_blocks(
    x: Rows,
    code: Tensor,
    graph: Propagation,
    options: MGCNConfig,
    *,
    seed: int,
    monitor: StageMonitor,
    folder: Path | None,
) -> InitialPartition:
    """As `iciclegcn.methods.initial_partition.initial_partition`, in the memory of two matrices.

    Averaging over the graph is exact. Up to ``KMEANS_ROWS`` rows k-means is that of the other
    function; above, its centres come from a sample, and every row joins the nearest one.

    Args:
        x: Features [N, D].
        code: Softmax code [N, K].
        graph: The graph to average over, normalised, on the CPU.
        options: ``centers``, ``propagation_steps`` and ``kmeans_restarts``.
        seed: Fixes the sample and the restarts.
        monitor: Warned when the rows do not fall into K groups.
        folder: Where the averaged features [N, D] are kept, and the ones before; None: memory.

    Returns:
        The chosen candidate; of k-means, the best of its restarts.
    """
    edge_index = graph_edges(graph)
    num_clusters, restarts = code.size(1), options.kmeans_restarts

    def partition(rows: Tensor, steps: int, *, directions: bool) -> InitialPartition:
        found = kmeans_in_blocks(rows, num_clusters, restarts, seed, directions=directions)
        assignments, centers = found
        inside = modularity(edge_index, torch.from_numpy(assignments))
        return InitialPartition(assignments, centers, steps, inside)

    candidates = []
    if options.centers == "code":
        candidates.append(partition(code.cpu(), 0, directions=False))
    else:
        rows, done = _directions(x, folder), 0
        for steps in sorted(set(options.propagation_steps)):
            for _ in range(steps - done):
                rows = multiply_in_blocks(graph.rows, rows, folder)
            done = steps
            candidates.append(partition(rows, steps, directions=True))
    if options.centers == "either":
        candidates += code_partitions(code.cpu(), graph, edge_index, options)
    return choose(candidates, num_clusters, monitor)


def kmeans_in_blocks(
    rows: Tensor, num_clusters: int, restarts: int, seed: int, *, directions: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Clusters [N] and centres [num_clusters, F] of rows on the CPU.

    Args:
        rows: Rows [N, F]; read in blocks where there are more than ``KMEANS_ROWS``.
        num_clusters: Number of centres.
        restarts: The best of so many.
        seed: Fixes sample and restarts.
        directions: Compare the rows scaled to length 1.
    """

    def prepared(some: Tensor) -> Tensor:
        return F.normalize(some, dim=1) if directions else some

    if len(rows) <= KMEANS_ROWS:
        return kmeans(prepared(rows), num_clusters, restarts, seed)
    sample = np.random.default_rng(seed).choice(len(rows), KMEANS_ROWS, replace=False)
    sampled = rows[torch.from_numpy(np.sort(sample))]
    _, centers = kmeans(prepared(sampled), num_clusters, restarts, seed)
    places = torch.from_numpy(centers).to(rows.dtype)
    squares = places.square().sum(dim=1)
    assignments = torch.empty(len(rows), dtype=torch.int64)
    for block in row_blocks(len(rows)):
        # |r - c|^2 without |r|^2, which is the same for every centre.
        assignments[block] = torch.addmm(squares, prepared(rows[block]), places.T, alpha=-2).argmin(
            dim=1
        )
    return assignments.numpy(), centers


def _directions(x: Rows, folder: Path | None) -> Tensor:
    width = x[:1].size(1)
    rows = empty_rows(len(x), width, torch.float32, folder)
    for block in row_blocks(len(x)):
        rows[block] = F.normalize(x[block], dim=1).cpu()
    return rows
