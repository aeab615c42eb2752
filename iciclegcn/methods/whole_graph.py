"""All nodes in every step: full-batch training, the paper's."""

from collections.abc import Sequence

import torch
from torch import Tensor

from graphs import ScaleGraph
from iciclegcn.config import MGCNConfig
from iciclegcn.methods.graph_partition import graph_partition
from iciclegcn.methods.initial_partition import InitialPartition, initial_partition
from iciclegcn.methods.neighbor_draw import NeighborDraw
from iciclegcn.methods.training_nodes import Batch, largest, prepare_graphs
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.mgcn import MGCN, MGCNAssignments, propagate_features
from iciclegcn.runtime import Runtime


class WholeGraph:
    """The `iciclegcn.methods.training_nodes.TrainingNodes` of a graph that fits into memory.

    Args:
        x: Features [N, D].
        graphs: One normalised graph a scale.
        options: Where training starts.
        runtime: Device and precision.
    """

    steps_per_epoch = 1
    sees_everything = True

    def __init__(
        self, x: Tensor, graphs: Sequence[ScaleGraph], options: MGCNConfig, runtime: Runtime
    ) -> None:
        self.x = x.to(runtime.device, torch.float32)
        self._options = options
        self._runtime = runtime
        self._largest = largest(graphs)
        self.edge_index = graphs[self._largest].edge_index.cpu()
        self._graphs = prepare_graphs(graphs, len(x), runtime.device)
        propagated = propagate_features(self.x, self._graphs)
        draw = NeighborDraw(self.edge_index.to(runtime.device), len(x))
        self._batch = Batch(self.x, self._graphs, propagated, draw)

    def batch(self, iteration: int) -> Batch:
        """All nodes."""
        del iteration
        return self._batch

    def first_partition(self, code: Tensor, seed: int, monitor: StageMonitor) -> InitialPartition:
        """From all codes, all features or the graph."""
        graph = self._graphs[self._largest]
        if self._options.centers == "graph":
            return graph_partition(code, graph, self._options, seed=seed, monitor=monitor)
        return initial_partition(self.x, code, graph, self._options, seed=seed, monitor=monitor)

    @torch.no_grad()
    def code(self, autoencoder: AutoEncoder) -> Tensor:
        """The code of all nodes [N, K]."""
        return autoencoder.encode(self.x)[-1]

    def q(self, model: MGCN) -> Tensor:
        """Soft assignments of the code [N, K]."""
        return self.assign(model).q

    @torch.no_grad()
    def assign(self, model: MGCN) -> MGCNAssignments:
        """One forward pass."""
        # A context of its own: autocast keeps converted weights, and other ones may be put back
        # in between.
        with self._runtime.autocast():
            return model.assign(self.x, self._graphs, self._batch.propagated)

    def original(self, rows: Tensor) -> Tensor:
        """The same rows on the CPU."""
        return rows.cpu()

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}
