"""Exact assignments of any number of nodes, layer by layer and block by block.

A step of training may see a part of the graph; assignments use every edge. All nodes pass one
layer before any passes the next, so what must be kept is one state of every stream (and one more
while it propagates), of the width at which the layer propagates: the linear map comes after the
sparse product where it widens, before it where it narrows. Everything between two sparse products
happens within a block of rows, the auto-encoder's states among it: they are computed again for
each layer rather than kept.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.disk_space import NoRoomError, reserve
from iciclegcn.nn.fusion_gcn_conv import FusionGCNConv
from iciclegcn.nn.mgcn import MGCN, MGCNAssignments
from iciclegcn.nn.mix_streams import mix_streams
from iciclegcn.nn.propagate import Propagation, SparseRows, multiply

BLOCK_ROWS = 8192


class Rows(Protocol):
    """A matrix of which a run of rows can be had: a tensor, or a file."""

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, rows: slice, /) -> Tensor:
        """Some rows [M, F]."""


@torch.no_grad()
def assign_by_layers(
    model: MGCN,
    x: Rows,
    graphs: Sequence[Propagation],
    propagated: Sequence[Rows],
    *,
    folder: Path | None = None,
    block_rows: int = BLOCK_ROWS,
) -> MGCNAssignments:
    """What `MGCN.assign` gives, without ever holding what it holds.

    Args:
        model: The network, on the device of the rows of ``x``.
        x: Features [N, D].
        graphs: One prepared, normalised graph for each stream, on the CPU.
        propagated: A·x of every graph [N, D].
        folder: Where states of full height are kept, in files that vanish; None: in memory.
        block_rows: Rows at a time.

    Returns:
        Code, q and the streams' assignments, on the CPU. States between two layers have
        autocast's dtype where that is on, as they have in `MGCN.assign`.

    Raises:
        ValueError: If the number of graphs is not the number of streams.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 9 and 15-20.
    """
    num_streams = model.gcn.num_streams
    if len(graphs) != num_streams:
        raise ValueError(
            f"'graphs' must hold one graph for each of {num_streams} streams (got {len(graphs)})"
        )
    layers = list(zip(*map(model.gcn.stream_layers, range(num_streams)), strict=True))
    before: list[Tensor] | None = [conv.lin.weight for conv in layers[0]]
    states: list[Rows] = list(propagated)  # Eq. 18
    code: list[Tensor] = []
    for depth, convs in enumerate(layers[1:], start=1):  # Eq. 15-17
        mixed: list[Tensor] = []
        for rows in row_blocks(len(x), block_rows):
            h = hidden_state(model.autoencoder, x[rows], depth)
            if depth == len(layers) - 1:
                code.append(h)
            outputs = mix_layer(convs, [state[rows].to(h.device) for state in states], h, before)
            if not mixed:
                old: Sequence[object] = states if depth > 1 else [None] * num_streams
                mixed = [_room(len(x), *pair, folder) for pair in zip(old, outputs, strict=True)]
            for state, output in zip(mixed, outputs, strict=True):
                state[rows] = output.to(state.device)
        states.clear()
        # Popped: a stream's old state is given up before the next stream needs room.
        states += [multiply_in_blocks(graph.rows, mixed.pop(0), folder) for graph in graphs]
        before = [conv.lin.weight for conv in convs] if convs[0].aggregates_first else None
    # The last layer maps K to K, so it has mapped before it propagated: these are the logits.
    soft = [torch.softmax(state[:], dim=1, dtype=torch.float32) for state in states]  # Eq. 19
    q = [model.assignment(part).cpu() for part in code]
    return MGCNAssignments(torch.cat([part.cpu() for part in code]), torch.cat(q), soft)


def multiply_in_blocks(
    matrix: SparseRows, x: Tensor, folder: Path | None = None, block_rows: int = BLOCK_ROWS
) -> Tensor:
    """The sparse product A·x [N, F], its result in memory or in a file that vanishes."""
    result = empty_rows(len(x), x.size(1), x.dtype, folder)
    for rows in row_blocks(len(x), block_rows):
        result[rows] = multiply(sparse_block(matrix, rows), x)
    return result


def sparse_block(matrix: SparseRows, rows: slice) -> SparseRows:
    """Some rows of a sparse matrix."""
    rowptr = matrix.rowptr[rows.start : rows.stop + 1]
    entries = slice(int(rowptr[0]), int(rowptr[-1]))
    return SparseRows(rowptr - rowptr[0], matrix.col[entries], matrix.weight[entries])


def empty_rows(num_rows: int, width: int, dtype: torch.dtype, folder: Path | None) -> Tensor:
    """An uninitialised matrix [num_rows, width] on the CPU.

    Args:
        num_rows: Height.
        width: Width.
        dtype: Of the entries.
        folder: Where to map a file that has no name any more, so that it vanishes with its last
            user however that ends; None: in memory.

    Raises:
        NoRoomError: If the folder has no room for it.
    """
    if folder is None:
        return torch.empty(num_rows, width, dtype=dtype)
    num_bytes = num_rows * width * dtype.itemsize
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            reserve(file.fileno(), num_bytes)
            entries = torch.from_file(file.name, shared=True, size=num_rows * width, dtype=dtype)
    except OSError as error:
        temporary = folder == Path(tempfile.gettempdir())
        remedy = "set TMPDIR to a folder with room" if temporary else "make room there"
        raise NoRoomError(
            f"cannot keep {num_bytes / 2**30:.2f} GiB of states in '{folder}' "
            f"({error.strerror or error}); {remedy}, or raise 'mgcn.memory_gib' so that they stay "
            "in memory"
        ) from error
    return entries.view(num_rows, width)


def row_blocks(num_rows: int, block_rows: int = BLOCK_ROWS) -> Iterator[slice]:
    """Runs of rows that cover all, in order."""
    for start in range(0, num_rows, block_rows):
        yield slice(start, min(start + block_rows, num_rows))


def hidden_state(autoencoder: AutoEncoder, x: Tensor, depth: int) -> Tensor:
    """The encoder's state of rows [M, D] after ``depth`` layers, and no further."""
    layers = list(autoencoder.encoder.children())
    if depth == len(layers):
        return autoencoder.encode(x)[-1]
    for layer in layers[:depth]:
        x = F.relu(layer(x), inplace=True)
    return x


def mix_layer(
    convs: Sequence[FusionGCNConv], parts: list[Tensor], h: Tensor, before: list[Tensor] | None
) -> list[Tensor]:
    """What the streams do in one layer between two propagations; see `mix_streams`."""
    after = None if convs[0].aggregates_first else [conv.lin.weight for conv in convs]
    return mix_streams(convs[0].coefficients(len(convs) - 1), parts, h, before, after)


def _room(num_rows: int, old: object, output: Tensor, folder: Path | None) -> Tensor:
    """Where a state is written: over the old one where it fits, which has been read by then."""
    same = isinstance(old, Tensor) and (old.size(1), old.dtype) == (output.size(1), output.dtype)
    if isinstance(old, Tensor) and same:
        return old
    return empty_rows(num_rows, output.size(1), output.dtype, folder)
