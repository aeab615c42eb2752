"""How the other ranks come into a stage 2 that trains in cells."""

import dataclasses
from typing import Any, NamedTuple

from torch import Tensor

from iciclegcn.distributed.ranks import Ranks
from iciclegcn.methods.training_nodes import TrainingNodes
from iciclegcn.nn.mgcn import MGCN
from iciclegcn.runtime import Runtime


class SharedStart(NamedTuple):
    """What the other ranks need to train with rank 0.

    Attributes:
        cells: Cell of every node [N].
        weights: The network's ``state_dict``.
        state: What an interrupted training saved, or None.
    """

    cells: Tensor
    weights: dict[str, Tensor]
    state: dict[str, Any] | None


def share_training(
    model: MGCN, nodes: TrainingNodes, state: dict[str, Any] | None, runtime: Runtime
) -> Runtime:
    """Let the other ranks train on their cells, or tell them that there is nothing to share.

    They wait in `receive_training`. Rank 0 has chosen the nodes and made the network by itself.

    Args:
        model: The network before its first iteration.
        nodes: The nodes of every step.
        state: What an interrupted training saved, or None.
        runtime: That of rank 0.

    Returns:
        The runtime to train with: alone where every step sees the whole graph.
    """
    ranks = runtime.ranks
    if nodes.sees_everything:
        ranks.broadcast(None)
        return dataclasses.replace(runtime, ranks=Ranks())
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    ranks.broadcast(SharedStart(nodes.state_dict()["cells"], weights, state))
    ranks.barrier()  # the others sort their features, which takes as long as it did here
    return runtime


def receive_training(runtime: Runtime) -> SharedStart | None:
    """What rank 0 shares; None: it trains alone. A `Ranks.barrier` is due before the first step."""
    start: SharedStart | None = runtime.ranks.broadcast(None)
    return start
