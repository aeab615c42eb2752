"""What a step of stage 2 sees of the graph: all nodes, or some cells of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from graphs import ScaleGraph
from iciclegcn.methods.code_warmup import RandomRows
from iciclegcn.methods.initial_partition import InitialPartition
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.mgcn import MGCN, MGCNAssignments
from iciclegcn.nn.propagate import Propagation, prepare_propagation


class Batch(NamedTuple):
    """The nodes of one step, M of them, on the run's device.

    Attributes:
        x: Features [M, D].
        graphs: The edges between them, one graph a stream.
        propagated: A·x over all edges of the whole graph [M, D], one a stream.
        draw: A random neighbour of each, one of them [M].
        weight: M by the mean of M over the ranks: with it the mean of the ranks' losses is the
            mean over their nodes. 1 for one rank.
    """

    x: Tensor
    graphs: Sequence[Propagation]
    propagated: Sequence[Tensor]
    draw: Callable[[torch.Generator], Tensor]
    weight: float = 1.0


class TrainingNodes(Protocol):
    """Hands out the nodes of every step, and passes all nodes through the network.

    Rows are in an order of its own, which `original` undoes.
    """

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every node is seen once."""

    @property
    def sees_everything(self) -> bool:
        """Whether a step sees all nodes, so that its outputs are those of the whole graph."""

    @property
    def x(self) -> RandomRows:
        """Features [N, D]."""

    @property
    def edge_index(self) -> Tensor:
        """Rows and columns of the largest graph [2, E], on the CPU."""

    def batch(self, iteration: int) -> Batch:
        """The nodes of one step."""

    def first_partition(self, code: Tensor, seed: int, monitor: StageMonitor) -> InitialPartition:
        """Where training starts, from the code of all nodes [N, K]."""

    def code(self, autoencoder: AutoEncoder) -> Tensor:
        """The code of all nodes [N, K] in fp32; no gradient."""

    def q(self, model: MGCN) -> Tensor:
        """Student-t soft assignments of all nodes [N, K]; no gradient."""

    def assign(self, model: MGCN) -> MGCNAssignments:
        """Assignments of all nodes over all edges; no gradient."""

    def original(self, rows: Tensor) -> Tensor:
        """Rows [N, F] on the CPU, in the order that the features were given in."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed run needs to see the same nodes in the same steps."""


def prepare_graphs(
    graphs: Sequence[ScaleGraph], num_nodes: int, device: torch.device
) -> list[Propagation]:
    """The graphs ready for the streams, on the device of the run."""
    # Row i of a ScaleGraph receives from column j; PyTorch Geometric names the sender first.
    return [
        prepare_propagation(graph.edge_index.flip(0), graph.edge_weight, num_nodes).to(device)
        for graph in graphs
    ]


def largest(graphs: Sequence[ScaleGraph]) -> int:
    """Which graph has the most edges."""
    return max(range(len(graphs)), key=lambda u: graphs[u].edge_index.size(1))
