"""Diagnostics of a graph: degrees, components, homophily. Nothing trains on them."""

from typing import NamedTuple

import torch
from torch import Tensor


class GraphSummary(NamedTuple):
    """What a graph looks like, self-loops not counted.

    Attributes:
        num_nodes: N.
        num_edges: Undirected edges.
        degree_mean: Mean number of neighbours of a node.
        degree_min: Fewest neighbours of a node.
        degree_max: Most neighbours of a node.
        isolated_nodes: Nodes without a neighbour.
        components: Connected components, isolated nodes among them.
    """

    num_nodes: int
    num_edges: int
    degree_mean: float
    degree_min: int
    degree_max: int
    isolated_nodes: int
    components: int

    def __str__(self) -> str:
        """One line for people, such as ``12 edges, degree 1 to 4 (mean 2.4), 3 components``."""
        isolated = f", {self.isolated_nodes:,} isolated" if self.isolated_nodes else ""
        parts = "component" if self.components == 1 else "components"
        return (
            f"{self.num_edges:,} edges, degree {self.degree_min:,} to {self.degree_max:,} "
            f"(mean {self.degree_mean:.1f}), {self.components:,} {parts}{isolated}"
        )


def graph_summary(edge_index: Tensor, num_nodes: int) -> GraphSummary:
    """Summarise a symmetric graph.

    Args:
        edge_index: Coalesced edges [2, E], both ways; self-loops are ignored.
        num_nodes: N.

    Raises:
        ValueError: If an edge names a node outside [0, N - 1].
    """
    edges = _proper_edges(edge_index, num_nodes)
    degree = torch.bincount(edges[0], minlength=num_nodes)
    return GraphSummary(
        num_nodes=num_nodes,
        num_edges=edges.shape[1] // 2,
        degree_mean=float(degree.double().mean()),
        degree_min=int(degree.min()),
        degree_max=int(degree.max()),
        isolated_nodes=int((degree == 0).sum()),
        components=int(connected_components(edges, num_nodes).max()) + 1,
    )


def connected_components(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Number the connected components.

    Args:
        edge_index: Edges [2, E]; direction is ignored.
        num_nodes: N.

    Returns:
        Component of each node, int64 [N], numbered from 0 by lowest member.

    Raises:
        ValueError: If an edge names a node outside [0, N - 1].
    """
    left, right = _proper_edges(edge_index, num_nodes)
    root = torch.arange(num_nodes, device=edge_index.device)
    while True:
        # Hook the higher of two roots under the lower, then let every node jump to its root:
        # rounds grow with the logarithm of the longest path, not with the path.
        low = torch.minimum(root[left], root[right])
        high = torch.maximum(root[left], root[right])
        hooked = root.scatter_reduce(0, high, low, "amin")
        while not torch.equal(hooked, hooked[hooked]):
            hooked = hooked[hooked]
        if torch.equal(hooked, root):
            _, number = torch.unique(root, return_inverse=True)
            return torch.as_tensor(number)
        root = hooked


def homophily(edge_index: Tensor, y: Tensor) -> float:
    """Share of edges, self-loops left out, that join two nodes of one class.

    Args:
        edge_index: Edges [2, E].
        y: True classes [N]; for diagnosis only.

    Returns:
        The share in [0, 1]; NaN for a graph without edges.

    Raises:
        ValueError: If an edge names a node outside [0, N - 1].
    """
    row, col = _proper_edges(edge_index, len(y))
    return float((y[row] == y[col]).double().mean())


def _proper_edges(edge_index: Tensor, num_nodes: int) -> Tensor:
    if edge_index.ndim != 2 or edge_index.shape[0] != 2:
        raise ValueError(f"'edge_index' must be [2, E] (got shape {tuple(edge_index.shape)})")
    if num_nodes < 1:
        raise ValueError(f"'num_nodes' must be at least 1 (got {num_nodes})")
    if (
        edge_index.numel() > 0
        and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < num_nodes
    ):
        raise ValueError(
            f"'edge_index' must name nodes in [0, {num_nodes - 1}] (got "
            f"[{int(edge_index.min())}, {int(edge_index.max())}])"
        )
    return edge_index[:, edge_index[0] != edge_index[1]]
