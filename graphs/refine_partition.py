"""Moving single nodes between clusters while the graph is cut less."""

import torch
from torch import Tensor

from graphs.modularity import modularity

_BLOCK_ENTRIES = 2**24


def refine_partition(
    edge_index: Tensor,
    assignments: Tensor,
    num_clusters: int,
    generator: torch.Generator,
    *,
    rounds: int = 30,
) -> Tensor:
    """Raise the modularity of a partition by moving nodes to the cluster that gains most.

    In every round each node that would gain moves with probability 1/2: two neighbours that would
    only change places seldom do. No cluster that has nodes loses its last one.

    Args:
        edge_index: Undirected graph, both directions of every edge [2, E], sorted by row;
            self-loops are left out.
        assignments: Cluster of every node, int64 [N], in [0, ``num_clusters``).
        num_clusters: K; clusters are neither made nor merged.
        generator: Draws who moves, on the CPU.
        rounds: At most so many; fewer when nobody would gain.

    Returns:
        The best partition met, int64 [N]; its modularity is at least that of ``assignments``.

    Source:
        The local moves of Blondel et al., Fast unfolding of communities in large networks (2008),
        with K fixed and all nodes at once.
    """
    source, target = edge_index[:, edge_index[0] != edge_index[1]]
    num_nodes = len(assignments)
    degree = torch.bincount(source, minlength=num_nodes)
    rowptr = torch.cat([degree.new_zeros(1), degree.cumsum(0)])
    used = _used(assignments, num_clusters)
    best, current = assignments, assignments
    highest = modularity(edge_index, assignments)
    for _ in range(rounds):
        wanted = _best_clusters(target, rowptr, degree, current, num_clusters)
        if torch.equal(wanted, current):
            break
        chosen = torch.rand(num_nodes, generator=generator) < 0.5
        current = torch.where(chosen, wanted, current)
        found = modularity(edge_index, current)
        if found > highest and _used(current, num_clusters) == used:
            best, highest = current, found
    return best


def _best_clusters(
    target: Tensor, rowptr: Tensor, degree: Tensor, assignments: Tensor, num_clusters: int
) -> Tensor:
    """Where every node would be best, all others staying [N]."""
    edges = max(1, len(target))
    volume = torch.zeros(num_clusters, dtype=torch.float64)
    volume.index_add_(0, assignments, degree.double())
    wanted = torch.empty_like(assignments)
    height = max(1, _BLOCK_ENTRIES // num_clusters)
    for start in range(0, len(assignments), height):
        rows = slice(start, min(start + height, len(assignments)))
        count = rows.stop - start
        inside = slice(int(rowptr[start]), int(rowptr[rows.stop]))
        row = torch.arange(count).repeat_interleave(degree[rows])
        keys = row * num_clusters + assignments[target[inside]]
        ties = torch.bincount(keys, minlength=count * num_clusters).view(count, num_clusters)
        share = degree[rows].double() / edges
        gain = ties - share[:, None] * volume
        # A node does not repel itself.
        own = assignments[rows][:, None]
        gain.scatter_add_(1, own, (share * degree[rows])[:, None])
        # Whoever gains nothing stays, also where another cluster is as good.
        stays = gain.gather(1, own)[:, 0] >= gain.max(dim=1).values
        wanted[rows] = torch.where(stays, own[:, 0], gain.argmax(dim=1))
    return wanted


def _used(assignments: Tensor, num_clusters: int) -> int:
    return int((torch.bincount(assignments, minlength=num_clusters) > 0).sum())
