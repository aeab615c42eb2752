"""The sparse product A·x of a fixed graph, with a backward pass that never transposes anew."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class SparseRows(NamedTuple):
    """A sparse matrix row by row.

    Attributes:
        rowptr: Where each row starts [N + 1], int32.
        col: Column of every entry [E], int32.
        weight: Value of every entry [E].
    """

    rowptr: Tensor
    col: Tensor
    weight: Tensor


class Propagation(NamedTuple):
    """A graph's matrix A for the forward pass and its transpose for the backward pass.

    Both are one object when A is symmetric, so that symmetric normalisation costs no second copy.
    """

    rows: SparseRows
    transposed: SparseRows

    @property
    def num_nodes(self) -> int:
        """Number of nodes N."""
        return self.rows.rowptr.numel() - 1

    def to(self, device: torch.device) -> "Propagation":
        """The same graph on another device."""
        rows = SparseRows(*(part.to(device) for part in self.rows))
        if self.transposed is self.rows:
            return Propagation(rows, rows)
        return Propagation(rows, SparseRows(*(part.to(device) for part in self.transposed)))


def prepare_propagation(edge_index: Tensor, edge_weight: Tensor, num_nodes: int) -> Propagation:
    """Sort a normalised graph for fast products.

    Args:
        edge_index: Source and target of every edge [2, E], as in PyTorch Geometric: node
            ``edge_index[1, e]`` receives from node ``edge_index[0, e]``.
        edge_weight: Normalised weights [E]; they get no gradient.
        num_nodes: Number of nodes N.

    Returns:
        The graph for `propagate` and `iciclegcn.nn.FusionGCNConv`.

    Raises:
        ValueError: If the shapes do not fit or an index is outside [0, N).
    """
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(f"'edge_index' must be [2, E] (got {tuple(edge_index.shape)})")
    if edge_weight.shape != edge_index.shape[1:]:
        raise ValueError(
            f"'edge_weight' must be [{edge_index.size(1)}], one value an edge "
            f"(got {tuple(edge_weight.shape)})"
        )
    if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < num_nodes:
        raise ValueError(
            f"'edge_index' must lie in [0, {num_nodes}) "
            f"(got {int(edge_index.min())} to {int(edge_index.max())}); check 'num_nodes'"
        )
    source, target = edge_index
    rows = _sorted_rows(target, source, edge_weight.detach(), num_nodes)
    transposed = _sorted_rows(source, target, edge_weight.detach(), num_nodes)
    symmetric = all(torch.equal(a, b) for a, b in zip(rows, transposed, strict=True))
    return Propagation(rows, rows if symmetric else transposed)


def propagate(graph: Propagation, x: Tensor) -> Tensor:
    """Sum every node's weighted neighbours: A·x, in the dtype of ``x``.

    Args:
        graph: The prepared graph of N nodes.
        x: Node states [N, F].

    Returns:
        The sums [N, F]; zero for a node without edges.

    Raises:
        ValueError: If ``x`` is not [N, F].
    """
    if x.dim() != 2 or x.size(0) != graph.num_nodes:
        raise ValueError(f"'x' must be [{graph.num_nodes}, F] (got {tuple(x.shape)})")
    result: Tensor = _Propagate.apply(x, graph)
    return result


def propagate_each(graphs: Sequence[Propagation], states: Sequence[Tensor]) -> list[Tensor]:
    """`propagate` for several graphs, each with a state of its own [N, F]."""
    return [propagate(graph, state) for graph, state in zip(graphs, states, strict=True)]


class _Propagate(torch.autograd.Function):
    """dA is never asked for, so nothing but the graph itself is kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Propagation) -> Tensor:
        ctx.graph = graph
        return multiply(graph.rows, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        graph: Propagation = ctx.graph
        return propagate(Propagation(graph.transposed, graph.rows), grad), None


def multiply(rows: SparseRows, x: Tensor) -> Tensor:
    """The sparse product of some rows [M, N] with node states [N, F]; takes no gradient."""
    # A bag per node. As fast as torch's CSR product in fp32; that one has no bf16 kernel on the
    # CPU, where this one is twice as fast in bf16 as in fp32 (it sums in fp32).
    return torch.embedding_bag(
        x.contiguous(),
        rows.col,
        rows.rowptr,
        mode=0,  # sum
        per_sample_weights=rows.weight.to(x.dtype),
        include_last_offset=True,
    )[0]


def _sorted_rows(row: Tensor, col: Tensor, weight: Tensor, num_nodes: int) -> SparseRows:
    order = torch.argsort(row * num_nodes + col, stable=True)
    degree = torch.bincount(row, minlength=num_nodes)
    rowptr = torch.zeros(num_nodes + 1, dtype=torch.int32, device=row.device)
    rowptr[1:] = degree.cumsum(0)
    return SparseRows(rowptr, col[order].to(torch.int32), weight[order])
