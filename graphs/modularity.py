"""How well a partition follows a graph: a figure that needs no labels."""

import torch
from torch import Tensor


def modularity(edge_index: Tensor, assignments: Tensor) -> float:
    """Share of edges inside clusters, above what the clusters' degrees alone would give.

    Args:
        edge_index: Undirected graph, both directions of every edge [2, E]; self-loops are left
            out and edges count alike.
        assignments: Cluster of every node, int64 [N], 0 or more.

    Returns:
        A number in [-1/2, 1); 0 for a single cluster or a graph without edges.

    Source:
        Newman, Modularity and community structure in networks (PNAS 2006).
    """
    source, target = edge_index
    kept = source != target
    source, target = assignments[source[kept]], assignments[target[kept]]
    if source.numel() == 0:
        return 0.0
    inside = (source == target).double().mean()
    share = torch.bincount(source).double() / source.numel()
    return float(inside - share.square().sum())
