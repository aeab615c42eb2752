"""Clusters of rows that come after training: they join the graph, and nothing is trained."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphs import NeighborIndex, Neighbors
from graphs.attach import attach, old_nodes
from iciclegcn.config import Config
from iciclegcn.methods.memory import budget_bytes, propagated_widths
from iciclegcn.methods.mgcn_result import select_output
from iciclegcn.methods.scales import graphs_of
from iciclegcn.methods.training_nodes import prepare_graphs
from iciclegcn.nn.attached_nodes import (
    AttachedRows,
    assign_attached,
    attached_rows,
    propagated_states,
)
from iciclegcn.nn.layerwise import row_blocks
from iciclegcn.nn.mgcn import MGCN, MGCNAssignments
from iciclegcn.runtime import Runtime

BATCH_ROWS = 2048
Rows = NDArray[np.floating]


class NewNodes:
    """A finished graph that rows can join, a few or a hundred thousand, now or later.

    Each new row becomes a node that hears its k nearest old nodes of every scale and itself; no
    old node hears it. What it is assigned is what the network gives it over the whole graph with
    such edges appended, and does not depend on which other new rows there are. The old nodes'
    states are computed on the first call, once.

    Args:
        model: The trained network.
        x: Features of the old nodes, float32 [N, D]; may be memory-mapped. With float64, and a
            network in float64, new rows are assigned in float64.
        neighbors: Their neighbours, at the largest k or more.
        config: Of the training: scales, weights, output and memory.
        runtime: Device and precision.
        index: Searches the old nodes; None: one is built of them on the first call.
        folder: Where old states that are larger than ``mgcn.memory_gib`` allows are kept, in
            files that vanish; None: the system's temporary folder.
    """

    def __init__(
        self,
        model: MGCN,
        x: Rows,
        neighbors: Neighbors,
        config: Config,
        runtime: Runtime,
        *,
        index: NeighborIndex | None = None,
        folder: Path | None = None,
    ) -> None:
        self._model = model.to(runtime.device).eval()
        self._x = torch.from_numpy(x)
        self._config, self._runtime = config, runtime
        self._index = index
        self._folder = folder
        options = config.graph
        graphs = graphs_of(neighbors, options)
        self._old = [
            old_nodes(graph, neighbors, k, symmetrize=options.symmetrize)
            for k, graph in zip(options.k, graphs, strict=True)
        ]
        self._graphs = prepare_graphs(graphs, len(x), torch.device("cpu"))
        self._states: list[list[Tensor]] | None = None

    def assign(self, x: Rows) -> MGCNAssignments:
        """Every view of which new row belongs where.

        Args:
            x: New rows, finite, float32 [M, D].

        Returns:
            Code, q and the streams' soft assignments, float32 [M, K] each, on the CPU.

        Raises:
            ValueError: If there are no rows, or they are not finite or of another width.
        """
        _require_rows(x)
        parts = list(self._batches(x))
        streams = zip(*(part.streams for part in parts), strict=True)
        return MGCNAssignments(
            torch.cat([part.code for part in parts]),
            torch.cat([part.q for part in parts]),
            [torch.cat(stream) for stream in streams],
        )

    def probabilities(self, x: Rows) -> Tensor:
        """The soft assignments that name clusters, ``mgcn.output``: float32 [M, K]."""
        found = self.assign(x)
        return select_output(found.streams, found.q, self._config.mgcn.output)

    @torch.no_grad()
    def code(self, x: Rows) -> Tensor:
        """The softmax code of rows [M, K] on the CPU: what needs no neighbours."""
        _require_rows(x)
        parts = []
        for rows in row_blocks(len(x), BATCH_ROWS):
            batch = torch.from_numpy(np.ascontiguousarray(x[rows], self._x.numpy().dtype))
            with self._runtime.autocast():
                parts.append(self._model.autoencoder.encode(batch.to(self._runtime.device))[-1])
        return torch.cat(parts).cpu()

    def _batches(self, x: Rows) -> Iterator[MGCNAssignments]:
        states, device = self._old_states(), self._runtime.device
        for rows in row_blocks(len(x), BATCH_ROWS):
            batch = np.ascontiguousarray(x[rows], self._x.numpy().dtype)
            attached = self._attach(batch)
            with self._runtime.autocast():  # not where the batch is handed out
                assigned = assign_attached(
                    self._model, torch.from_numpy(batch).to(device), attached, self._x, states
                )
            yield assigned

    def _attach(self, x: Rows) -> list[AttachedRows]:
        """The new nodes in every scale's graph, from one search at the largest k."""
        options = self._config.graph
        nearest = self._built_index().search(x, max(options.k))
        joined = (
            attach(
                nearest,
                old,
                edge_weight=options.edge_weight,
                heat_time=options.heat_time,
                normalization=options.normalization,
            )
            for old in self._old
        )
        return [attached_rows(*edges) for edges in joined]

    def _built_index(self) -> NeighborIndex:
        if self._index is None:
            options = self._config.graph
            self._index = NeighborIndex.build(
                self._x.numpy(),
                max(options.k),
                metric=options.metric,
                index=options.index,
                memory_gib=options.memory_gib,
                target_recall=options.target_recall,
                seed=self._config.seed,
            )
        return self._index

    def _old_states(self) -> list[list[Tensor]]:
        if self._states is None:
            with self._runtime.autocast():
                self._states = propagated_states(
                    self._model, self._x, self._graphs, folder=self._place_of_states()
                )
        return self._states

    def _place_of_states(self) -> Path | None:
        """A folder where the states are too many for the memory, else None."""
        widths = propagated_widths(self._model.autoencoder.widths)
        entries = len(self._x) * len(self._old) * sum(widths)
        exact = self._runtime.precision == "fp32"
        entry_bytes = (self._x.dtype if exact else self._runtime.compute_dtype).itemsize
        if entries * entry_bytes <= budget_bytes(self._config.mgcn, torch.device("cpu")):
            return None
        return self._folder or Path(tempfile.gettempdir())


def attach_and_assign(
    x_new: Rows,
    x_old: Rows,
    neighbors: Neighbors,
    model: MGCN,
    config: Config,
    runtime: Runtime,
) -> Tensor:
    """Soft assignments [M, K] of new rows in a graph that is needed once; see `NewNodes`."""
    return NewNodes(model, x_old, neighbors, config, runtime).probabilities(x_new)


def _require_rows(x: Rows) -> None:
    if not len(x):
        raise ValueError("'x' must have at least one new row (got none)")
