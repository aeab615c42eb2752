"""Some cells of the graph in every step, and everything about all nodes in blocks from the disk."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphs import ScaleGraph
from iciclegcn.config import MGCNConfig
from iciclegcn.errors import UserError
from iciclegcn.methods.block_partition import initial_partition_in_blocks
from iciclegcn.methods.disk_rows import DiskRows
from iciclegcn.methods.graph_partition import graph_partition
from iciclegcn.methods.initial_partition import InitialPartition, graph_edges
from iciclegcn.methods.memory import budget_bytes, give_back_freed_memory, inference_bytes
from iciclegcn.methods.neighbor_draw import NeighborDraw
from iciclegcn.methods.training_nodes import Batch, largest, prepare_graphs
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.layerwise import assign_by_layers, row_blocks, sparse_block
from iciclegcn.nn.mgcn import MGCN, MGCNAssignments
from iciclegcn.nn.propagate import Propagation, multiply
from iciclegcn.nn.subgraph import InducedSubgraphs
from iciclegcn.runtime import Runtime

_CPU = torch.device("cpu")


class CellBatches:
    """The `iciclegcn.methods.training_nodes.TrainingNodes` of a graph of any size.

    Nodes are sorted by cell: a cell is a run of rows, in the graphs and in the files of features
    and of A·x, so a step reads a few runs. Neighbours mostly lie near each other.

    Args:
        x: Features [N, D]; read twice, in blocks.
        graphs: One normalised graph a scale.
        cells: Cell of every node [N].
        options: Cells a step, where training starts, and the memory budget.
        runtime: Seed, device and precision.
        folder: Where the files are made, which vanish; None: the system's temporary folder.

    Raises:
        UserError: If a step has fewer cells than there are ranks to share them.
    """

    sees_everything = False

    def __init__(
        self,
        x: NDArray[np.floating],
        graphs: Sequence[ScaleGraph],
        cells: NDArray[np.integer],
        options: MGCNConfig,
        runtime: Runtime,
        folder: Path | None = None,
    ) -> None:
        self._options, self._runtime, self._folder = options, runtime, folder
        self._cells = torch.from_numpy(cells.astype(np.int32))
        order = np.argsort(cells, kind="stable")
        self._place = torch.empty(len(x), dtype=torch.int64)  # of every original row
        self._place[torch.from_numpy(order)] = torch.arange(len(x))
        bounds = np.cumsum(np.bincount(cells)).tolist()
        self._spans = [slice(a, b) for a, b in zip([0, *bounds[:-1]], bounds, strict=True)]
        self.steps_per_epoch = -(-len(self._spans) // options.cells_per_step)
        self._check_ranks()
        self._largest = largest(graphs)
        moved = [ScaleGraph(self._place[graph.edge_index], graph.edge_weight) for graph in graphs]
        self._graphs = prepare_graphs(moved, len(x), _CPU)
        del moved
        self._subgraphs = InducedSubgraphs(self._graphs)
        on_disk = partial(DiskRows, width=x.shape[1], folder=folder, device=runtime.device)
        self.x = on_disk(_taken(x, order))
        rows = self.x.mapped()
        self._propagated = [on_disk(_multiplied(graph, rows)) for graph in self._graphs]

    @property
    def edge_index(self) -> Tensor:
        """Rows and columns of the largest graph [2, E], nodes sorted by cell."""
        return graph_edges(self._graphs[self._largest])

    def batch(self, iteration: int) -> Batch:
        """The cells of one step; an epoch goes once through all, in a random order of its own.

        Each rank gets its share of the step's cells, and the edges within that share.
        """
        epoch, step = divmod(iteration, self.steps_per_epoch)
        generator = self._runtime.cpu_generator("mgcn", "cells", epoch)
        shuffled = torch.randperm(len(self._spans), generator=generator)
        chosen = shuffled.tensor_split(self.steps_per_epoch)[step].sort().values
        ranks = self._runtime.ranks
        total = sum(self._length(cell) for cell in chosen.tolist())
        chosen = chosen[ranks.share(len(chosen))]
        spans = [self._spans[cell] for cell in chosen.tolist()]
        graphs = [graph.to(self._runtime.device) for graph in self._subgraphs(spans)]
        x = self.x.runs(spans)
        return Batch(
            x=x,
            graphs=graphs,
            propagated=[rows.runs(spans) for rows in self._propagated],
            draw=NeighborDraw(graph_edges(graphs[self._largest]), len(x)),
            weight=ranks.size * len(x) / total,
        )

    def first_partition(self, code: Tensor, seed: int, monitor: StageMonitor) -> InitialPartition:
        """In blocks, from the codes, the features or the graph."""
        if self._options.centers == "graph":
            graph = self._graphs[self._largest]
            return graph_partition(code, graph, self._options, seed=seed, monitor=monitor)
        return initial_partition_in_blocks(
            self.x,
            code,
            self._graphs[self._largest],
            self._options,
            seed=seed,
            monitor=monitor,
            folder=self._room(2 * 4 * len(self.x) * self.x.width),
        )

    @torch.no_grad()
    def code(self, autoencoder: AutoEncoder) -> Tensor:
        """The code of all nodes [N, K]."""
        blocks = row_blocks(len(self.x))
        return torch.cat([autoencoder.encode(self.x[rows])[-1] for rows in blocks])

    @torch.no_grad()
    def q(self, model: MGCN) -> Tensor:
        """Soft assignments of the code [N, K]; they need no edges."""
        with self._runtime.autocast():
            q: Tensor = model.assignment(self.code(model.autoencoder))
        return q

    def assign(self, model: MGCN) -> MGCNAssignments:
        """Layer by layer, over all edges."""
        edges = [graph.rows.col.numel() for graph in self._graphs]
        entry_bytes = self._runtime.compute_dtype.itemsize
        needed = inference_bytes(len(self.x), edges, model.autoencoder.widths, entry_bytes)
        give_back_freed_memory()  # this pass needs the most
        with self._runtime.autocast():
            return assign_by_layers(
                model, self.x, self._graphs, self._propagated, folder=self._room(needed)
            )

    def original(self, rows: Tensor) -> Tensor:
        """Rows on the CPU, back in the order of the features."""
        return rows.cpu()[self._place]

    def state_dict(self) -> dict[str, Tensor]:
        """The cells: whatever memory or packages a resumed run finds, it sees the same steps."""
        return {"cells": self._cells}

    def _length(self, cell: int) -> int:
        span = self._spans[cell]
        return int(span.stop - span.start)

    def _check_ranks(self) -> None:
        least, size = len(self._spans) // self.steps_per_epoch, self._runtime.ranks.size
        if least < size:
            raise UserError(
                f"'mgcn.cells_per_step' must be at least the number of processes, {size} (got "
                f"{least} of {len(self._spans)} cells); raise it, lower 'mgcn.cell_size', or run "
                "'iciclegcn cluster' with fewer --devices"
            )

    def _room(self, num_bytes: int) -> Path | None:
        """The folder where so much does not fit the budget, None (memory) where it does."""
        if num_bytes <= budget_bytes(self._options, _CPU):
            return None
        return self._folder or Path(tempfile.gettempdir())


def _taken(x: NDArray[np.floating], order: NDArray[np.int64]) -> Iterator[Tensor]:
    for rows in row_blocks(len(x)):
        yield torch.from_numpy(np.asarray(x[order[rows]], np.float32))


def _multiplied(graph: Propagation, x: Tensor) -> Iterator[Tensor]:
    for rows in row_blocks(len(x)):
        yield multiply(sparse_block(graph.rows, rows), x)
