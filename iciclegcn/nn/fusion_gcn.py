"""Several graph streams over the same nodes, fused layer by layer with an auto-encoder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iciclegcn.nn.fusion_gcn_conv import FusionGCNConv
from iciclegcn.nn.mix_streams import mix_streams
from iciclegcn.nn.propagate import Propagation, propagate_each


class FusionGCN(nn.Module):
    """S streams of `FusionGCNConv`, one a graph, with a ReLU after every layer but the last.

    The first layer of a stream sees its features alone; every later one also the other streams
    and the auto-encoder's state of the same depth.

    Args:
        widths: Width of the features, of every hidden layer and of the output.
        num_streams: Number of graphs S.
        sigma: Weight of a stream's own state in the fusion.
        gamma: Weight of the mean of the other streams.
        autoencoder_weight: Weight of the auto-encoder's state; None: 1 - sigma - gamma.
        shared_weights: One set of layers for all streams.

    Raises:
        ValueError: If there are fewer than two widths, or ``num_streams`` is below 1.

    Source:
        IcicleGCN (Xu et al., 2024), Section 3.4, Eq. 14-18.
    """

    def __init__(
        self,
        widths: Sequence[int],
        num_streams: int = 2,
        sigma: float = 0.4,
        gamma: float = 0.2,
        autoencoder_weight: float | None = None,
        *,
        shared_weights: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"'widths' must name two widths or more (got {list(widths)})")
        if num_streams < 1:
            raise ValueError(f"'num_streams' must be at least 1 (got {num_streams})")
        self.num_streams = num_streams

        def stream() -> nn.ModuleList:
            return nn.ModuleList(
                FusionGCNConv(c_in, c_out, sigma, gamma, autoencoder_weight)
                for c_in, c_out in pairwise(widths)
            )

        self.layers = nn.ModuleList(stream() for _ in range(1 if shared_weights else num_streams))

    def stream_layers(self, stream: int) -> list[FusionGCNConv]:
        """The layers of one stream; the same ones for every stream if weights are shared."""
        layers = self.layers[stream % len(self.layers)]
        return cast(list[FusionGCNConv], list(layers.children()))

    def init_from_linear(self, linears: Sequence[nn.Linear], last_scale: float = 1.0) -> None:
        """Give every stream the weights of linear layers of the same shapes.

        Args:
            linears: One linear layer for each layer of a stream but the last.
            last_scale: The last layer becomes this times the identity.

        Raises:
            ValueError: If the number of linear layers does not fit.
        """
        with torch.no_grad():
            for u in range(len(self.layers)):
                *convs, last = self.stream_layers(u)
                for conv, linear in zip(convs, linears, strict=True):
                    conv.lin.weight.copy_(linear.weight)
                nn.init.eye_(last.lin.weight).mul_(last_scale)

    def forward(
        self,
        x: Tensor,
        hidden: Sequence[Tensor],
        graphs: Sequence[Propagation],
        propagated: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        """Run all streams.

        Args:
            x: Features [N, widths[0]].
            hidden: The auto-encoder's state of every depth but the last, ``hidden[i]``
                [N, widths[i + 1]].
            graphs: One prepared, normalised graph for each stream.
            propagated: A·x of every graph [N, widths[0]], where it is known already.

        Returns:
            The state of every stream after its last layer [N, widths[-1]].

        Raises:
            ValueError: If the number of graphs is not the number of streams.
        """
        if len(graphs) != self.num_streams:
            raise ValueError(
                f"'graphs' must hold one graph for each of {self.num_streams} streams "
                f"(got {len(graphs)})"
            )
        if propagated is None:
            propagated = propagate_each(graphs, [x] * self.num_streams)
        layers = list(zip(*map(self.stream_layers, range(self.num_streams)), strict=True))
        g = list(propagated)  # Eq. 18
        before: list[Tensor] | None = [conv.lin.weight for conv in layers[0]]
        for convs, h in zip(layers[1:], hidden, strict=True):  # Eq. 15-17
            weights = [conv.lin.weight for conv in convs]
            coefficients = convs[0].coefficients(self.num_streams - 1)
            after = None if convs[0].aggregates_first else weights
            g = propagate_each(graphs, mix_streams(coefficients, g, h, before, after))
            before = weights if convs[0].aggregates_first else None
        return [F.linear(g[u], before[u]) if before else g[u] for u in range(self.num_streams)]
