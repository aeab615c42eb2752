"""The trident network: graph streams at several scales around one auto-encoder."""

import copy
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.fusion_gcn_conv import FusionGCNConv
from iciclegcn.nn.mix_streams import mix_streams
from iciclegcn.nn.propagate import Propagation, propagate
from iciclegcn.nn.soft_assignment import SoftAssignment


class MGCNAssignments(NamedTuple):
    """Every view of which node belongs where.

    Attributes:
        code: Softmax code of the auto-encoder [N, K].
        q: Student-t soft assignments of the code [N, K].
        streams: Soft assignments [N, K] of every graph stream.
    """

    code: Tensor
    q: Tensor
    streams: list[Tensor]


class MGCNOutput(NamedTuple):
    """What one forward pass gives.

    Attributes:
        x_hat: Reconstruction [N, D].
        code: As in `MGCNAssignments`.
        q: As in `MGCNAssignments`.
        streams: As in `MGCNAssignments`.
    """

    x_hat: Tensor
    code: Tensor
    q: Tensor
    streams: list[Tensor]


class MGCN(nn.Module):
    """S graph streams, fused layer by layer with an auto-encoder, and soft assignments.

    With hidden widths 500-500-2000 a stream has the layers 500-500-2000-K-K, no biases, a ReLU
    after all but the last and a softmax after that.

    Args:
        autoencoder: The pretrained auto-encoder; copied.
        num_streams: Number of graphs S.
        sigma: Weight of a stream's own state in the fusion.
        gamma: Weight of the mean of the other streams.
        autoencoder_weight: Weight of the auto-encoder's state; None: 1 - sigma - gamma.
        shared_weights: One set of layers for all streams (the published code).
        degrees_of_freedom: t of the Student-t assignment.

    Raises:
        ValueError: If ``num_streams`` is below 1.

    Source:
        IcicleGCN (Xu et al., 2024), Section 3.4, Eq. 9-20.
    """

    def __init__(
        self,
        autoencoder: AutoEncoder,
        num_streams: int = 2,
        *,
        sigma: float = 0.4,
        gamma: float = 0.2,
        autoencoder_weight: float | None = None,
        shared_weights: bool = False,
        degrees_of_freedom: float = 1.0,
    ) -> None:
        super().__init__()
        if num_streams < 1:
            raise ValueError(f"'num_streams' must be at least 1 (got {num_streams})")
        self.num_streams = num_streams
        self.autoencoder = copy.deepcopy(autoencoder)
        num_clusters = autoencoder.widths[-1]
        self.assignment = SoftAssignment(num_clusters, num_clusters, degrees_of_freedom)
        widths = [*autoencoder.widths, num_clusters]

        def stream() -> nn.ModuleList:
            return nn.ModuleList(
                FusionGCNConv(widths[i], widths[i + 1], sigma, gamma, autoencoder_weight)
                for i in range(len(widths) - 1)
            )

        self.weights = nn.ModuleList(stream() for _ in range(1 if shared_weights else num_streams))

    def stream_layers(self, stream: int) -> list[FusionGCNConv]:
        """The layers of one stream; the same ones for every stream if weights are shared."""
        layers = self.weights[stream % len(self.weights)]
        return cast(list[FusionGCNConv], list(layers.children()))

    def init_from_encoder(self, last_scale: float = 1.0) -> None:
        """Start every stream from the encoder's weights instead of random ones.

        Streams drawn at random learn through the KL terms alone and start far behind; a stream's
        layers have the encoder's shapes. A departure from the paper.

        Args:
            last_scale: The last layer, which the encoder lacks, becomes this times the identity.
        """
        with torch.no_grad():
            for u in range(len(self.weights)):
                *convs, last = self.stream_layers(u)
                for conv, linear in zip(convs, self.autoencoder.encoder, strict=True):
                    conv.lin.weight.copy_(linear.weight)
                nn.init.eye_(last.lin.weight).mul_(last_scale)

    def forward(
        self,
        x: Tensor,
        graphs: Sequence[Propagation],
        propagated: Sequence[Tensor] | None = None,
    ) -> MGCNOutput:
        """Run the whole auto-encoder and all streams; arguments as in `assign`."""
        assigned = self.assign(x, graphs, propagated)
        return MGCNOutput(self.autoencoder.decode(assigned.code), *assigned)

    def assign(
        self,
        x: Tensor,
        graphs: Sequence[Propagation],
        propagated: Sequence[Tensor] | None = None,
    ) -> MGCNAssignments:
        """Run the encoder and all streams, without the decoder.

        Args:
            x: Features [N, D].
            graphs: One prepared, normalised graph for each stream.
            propagated: A·x of every graph [N, D] (`propagate_features`); x never changes while
                training, so this part of the first layer need not be computed again.

        Returns:
            Code, q and the streams' assignments.

        Raises:
            ValueError: If the number of graphs is not the number of streams.
        """
        if len(graphs) != self.num_streams:
            raise ValueError(
                f"'graphs' must hold one graph for each of {self.num_streams} streams "
                f"(got {len(graphs)})"
            )
        if propagated is None:
            propagated = _propagate_each(graphs, [x] * self.num_streams)
        hidden = self.autoencoder.encode(x)
        logits = self._streams(hidden, graphs, propagated)
        dtype = torch.promote_types(x.dtype, torch.float32)
        code = hidden[-1]
        return MGCNAssignments(
            code=code,
            q=self.assignment(code),
            streams=[torch.softmax(g, dim=1, dtype=dtype) for g in logits],  # Eq. 19
        )

    def _streams(
        self, hidden: Sequence[Tensor], graphs: Sequence[Propagation], propagated: Sequence[Tensor]
    ) -> list[Tensor]:
        """Logits [N, K] of every stream: the layers of `stream_layers`, all streams at once."""
        layers = list(zip(*map(self.stream_layers, range(self.num_streams)), strict=True))
        g = list(propagated)  # Eq. 18
        before: list[Tensor] | None = [conv.lin.weight for conv in layers[0]]
        for convs, h in zip(layers[1:], hidden, strict=True):  # Eq. 15-17
            weights = [conv.lin.weight for conv in convs]
            coefficients = convs[0].coefficients(self.num_streams - 1)
            after = None if convs[0].aggregates_first else weights
            g = _propagate_each(graphs, mix_streams(coefficients, g, h, before, after))
            before = weights if convs[0].aggregates_first else None
        return [F.linear(g[u], before[u]) if before else g[u] for u in range(self.num_streams)]


def _propagate_each(graphs: Sequence[Propagation], states: Sequence[Tensor]) -> list[Tensor]:
    return [propagate(graph, state) for graph, state in zip(graphs, states, strict=True)]


def propagate_features(x: Tensor, graphs: Sequence[Propagation]) -> list[Tensor]:
    """A·x [N, D] of every graph: the part of the first layer that training never changes."""
    with torch.no_grad():
        return [propagate(graph, x) for graph in graphs]
