"""The trident network: graph streams at several scales around one auto-encoder."""

import copy
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.fusion_gcn import FusionGCN
from iciclegcn.nn.propagate import Propagation, propagate_each
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
        self.autoencoder = copy.deepcopy(autoencoder)
        num_clusters = autoencoder.widths[-1]
        self.assignment = SoftAssignment(num_clusters, num_clusters, degrees_of_freedom)
        self.gcn = FusionGCN(
            [*autoencoder.widths, num_clusters],
            num_streams,
            sigma,
            gamma,
            autoencoder_weight,
            shared_weights=shared_weights,
            normalize=False,  # outside, once
        )

    def init_from_encoder(self, last_scale: float = 1.0) -> None:
        """Start every stream from the encoder's weights instead of random ones.

        Streams drawn at random learn through the KL terms alone and start far behind; a stream's
        layers have the encoder's shapes. A departure from the paper.

        Args:
            last_scale: The last layer, which the encoder lacks, becomes this times the identity.
        """
        encoder = cast(list[nn.Linear], list(self.autoencoder.encoder.children()))
        self.gcn.init_from_linear(encoder, last_scale)

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
        hidden = self.autoencoder.encode(x)
        if propagated is None:
            propagated = propagate_each(graphs, [x] * len(graphs))
        logits = self.gcn.run_propagated(propagated, graphs, hidden)  # Eq. 14-18
        dtype = torch.promote_types(x.dtype, torch.float32)
        code = hidden[-1]
        return MGCNAssignments(
            code=code,
            q=self.assignment(code),
            streams=[torch.softmax(g, dim=1, dtype=dtype) for g in logits],  # Eq. 19
        )


def propagate_features(x: Tensor, graphs: Sequence[Propagation]) -> list[Tensor]:
    """A·x [N, D] of every graph: the part of the first layer that training never changes."""
    with torch.no_grad():
        return propagate_each(graphs, [x] * len(graphs))
