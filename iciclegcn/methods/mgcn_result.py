"""What stage 2 of IcicleGCN gives, and which of its soft assignments names the clusters."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.mgcn import MGCN


class MGCNResult(NamedTuple):
    """What stage 2 gives; tensors on the CPU in float32, row = image index.

    Attributes:
        streams: Soft assignments [N, K] of every graph stream.
        q: Student-t soft assignments of the code [N, K].
        code: Softmax code of the auto-encoder [N, K].
        model: The trained network.
    """

    streams: list[Tensor]
    q: Tensor
    code: Tensor
    model: MGCN


def output_probabilities(result: MGCNResult, output: str) -> Tensor:
    """The soft assignments that name the clusters.

    Args:
        result: What `train_mgcn` returned.
        output: ``streams`` (mean of the streams), ``stream_0``, ``stream_1``, ... or ``q``.

    Returns:
        Soft assignments [N, K]; rows sum to 1.

    Raises:
        ValueError: If ``output`` names nothing of the result.
    """
    return select_output(result.streams, result.q, output)


def select_output(streams: Sequence[Tensor], q: Tensor, output: str) -> Tensor:
    """The same for soft assignments that are not in a result yet."""
    if output == "streams":
        return torch.stack(list(streams)).mean(dim=0)
    if output == "q":
        return q
    named = {f"stream_{u}": stream for u, stream in enumerate(streams)}
    if output not in named:
        raise ValueError(f"'output' must be streams, {', '.join(named)} or q (got {output!r})")
    return named[output]


def warn_of_empty_clusters(result: MGCNResult, output: str, monitor: StageMonitor) -> None:
    """Tell of clusters that no image is in, and what helps."""
    probabilities = output_probabilities(result, output)
    num_clusters = probabilities.size(1)
    sizes = torch.bincount(probabilities.argmax(dim=1), minlength=num_clusters)
    used = int((sizes > 0).sum())
    if used < num_clusters:
        monitor.warn(
            f"{num_clusters - used} of {num_clusters} clusters have no images: try fewer "
            "'mgcn.iterations', a lower 'mgcn.learning_rate', 'mgcn.gcn_init: encoder' or a "
            "'mgcn.neighbor_weight' above 0"
        )
