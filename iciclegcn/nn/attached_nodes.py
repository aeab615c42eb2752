"""Exact assignments of nodes that join a graph after training.

A new node hears old nodes and itself, and no old node hears it. So the states of the old nodes are
what they were without it: they are computed once, and a new node needs of them only the rows of its
neighbours, layer by layer. The result is that of the network over the whole graph with the new
rows appended to the adjacency matrix.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from iciclegcn.nn.fusion_gcn_conv import FusionGCNConv
from iciclegcn.nn.layerwise import (
    BLOCK_ROWS,
    empty_rows,
    hidden_state,
    mix_layer,
    row_blocks,
    sparse_block,
)
from iciclegcn.nn.mgcn import MGCN, MGCNAssignments
from iciclegcn.nn.propagate import Propagation, SparseRows, multiply


class AttachedRows(NamedTuple):
    """What M new nodes hear in one graph.

    Attributes:
        sources: Old nodes that any of them hears, ascending, int64 [U].
        rows: Their rows [M, U + M] of the normalised adjacency: columns are the sources, then
            the new nodes.
    """

    sources: Tensor
    rows: SparseRows


def attached_rows(edge_index: Tensor, edge_weight: Tensor, loop_weight: Tensor) -> AttachedRows:
    """Prepare the edges of new nodes for products.

    Args:
        edge_index: New nodes (targets) and old nodes (sources), int64 [2, E].
        edge_weight: Normalised weights [E].
        loop_weight: Normalised weights of the new nodes' self-loops [M].
    """
    target, source = edge_index
    sources, local = torch.unique(source, return_inverse=True)
    num_new, width = len(loop_weight), len(sources) + len(loop_weight)
    new = torch.arange(num_new)
    row, col = torch.cat([target, new]), torch.cat([local, len(sources) + new])
    weight = torch.cat([edge_weight, loop_weight])
    order = torch.argsort(row * width + col)
    rowptr = torch.zeros(num_new + 1, dtype=torch.int32)
    rowptr[1:] = torch.bincount(row, minlength=num_new).cumsum(0)
    rows = SparseRows(rowptr, col[order].to(torch.int32), weight[order])
    return AttachedRows(sources, rows)


@torch.no_grad()
def propagated_states(
    model: MGCN,
    x: Tensor,
    graphs: Sequence[Propagation],
    *,
    folder: Path | None = None,
    block_rows: int = BLOCK_ROWS,
) -> list[list[Tensor]]:
    """What the streams propagate in every layer after the first: all that others can hear of nodes.

    Args:
        model: The trained network.
        x: Features [N, D] on the CPU, perhaps mapped.
        graphs: One prepared, normalised graph for each stream, on the CPU.
        folder: Where the states are kept, in files that vanish; None: in memory.
        block_rows: Rows at a time.

    Returns:
        For each layer after the first, one state [N, F] a stream, F the narrower side of the
        layer; in autocast's dtype where that is on.

    Raises:
        ValueError: If the number of graphs is not the number of streams.
    """
    if len(graphs) != model.gcn.num_streams:
        raise ValueError(
            f"'graphs' must hold one graph for each of {model.gcn.num_streams} streams "
            f"(got {len(graphs)})"
        )
    device = model.assignment.centers.device
    first, *later = _layers(model)
    before: list[Tensor] | None = [conv.lin.weight for conv in first]
    kept: list[list[Tensor]] = []
    heard = [x] * len(graphs)
    for depth, convs in enumerate(later, start=1):
        mixed: list[Tensor] = []
        for rows in row_blocks(len(x), block_rows):
            parts = [
                multiply(sparse_block(graph.rows, rows), state).to(device)
                for graph, state in zip(graphs, heard, strict=True)
            ]
            h = hidden_state(model.autoencoder, x[rows].to(device), depth)
            outputs = mix_layer(convs, parts, h, before)
            if not mixed:
                mixed = [empty_rows(len(x), o.size(1), o.dtype, folder) for o in outputs]
            for state, output in zip(mixed, outputs, strict=True):
                state[rows] = output.to(state.device)
        kept.append(mixed)
        heard, before = mixed, _maps_before(convs)
    return kept


@torch.no_grad()
def assign_attached(
    model: MGCN,
    x: Tensor,
    attached: Sequence[AttachedRows],
    old_x: Tensor,
    old_states: Sequence[Sequence[Tensor]],
) -> MGCNAssignments:
    """Code, q and the streams' assignments of new nodes.

    Args:
        model: The trained network.
        x: Their features [M, D], on the device of the network.
        attached: What they hear in each stream's graph.
        old_x: Features of the old nodes [N, D], on the CPU.
        old_states: What `propagated_states` gave for them.

    Returns:
        Rows of the new nodes, on the CPU in float32; in float64 where network and features are.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 9 and 14-20.
    """
    first, *later = _layers(model)
    before: list[Tensor] | None = [conv.lin.weight for conv in first]
    hidden = model.autoencoder.encode(x)
    g = [_hear(rows, old_x, x) for rows in attached]  # Eq. 18
    for convs, h, states in zip(later, hidden, old_states, strict=True):  # Eq. 15-17
        own = mix_layer(convs, g, h, before)
        g = [_hear(*each) for each in zip(attached, states, own, strict=True)]
        before = _maps_before(convs)
    # The last layer maps K to K, so it has mapped before it propagated: these are the logits.
    dtype = torch.promote_types(g[0].dtype, torch.float32)
    streams = [torch.softmax(state, dim=1, dtype=dtype).cpu() for state in g]  # Eq. 19
    code = hidden[-1]
    return MGCNAssignments(code.cpu(), model.assignment(code).cpu(), streams)


def _layers(model: MGCN) -> list[tuple[FusionGCNConv, ...]]:
    """The layers of all streams, depth by depth."""
    streams = map(model.gcn.stream_layers, range(model.gcn.num_streams))
    return list(zip(*streams, strict=True))


def _maps_before(convs: Sequence[FusionGCNConv]) -> list[Tensor] | None:
    """The linear maps that a layer still has to do after it has propagated."""
    return [conv.lin.weight for conv in convs] if convs[0].aggregates_first else None


def _hear(attached: AttachedRows, old: Tensor, own: Tensor) -> Tensor:
    """One propagation: weighted sums [M, F] of old neighbours' states and of the node's own."""
    states = torch.cat([old[attached.sources].to(own.device), own])
    return multiply(SparseRows(*(part.to(own.device) for part in attached.rows)), states)
