"""The terms of stage 2 and their weighted sum."""

from typing import NamedTuple

from torch import Tensor

from iciclegcn.config import MGCNConfig
from iciclegcn.losses.neighbor_consistency import neighbor_consistency_loss
from iciclegcn.losses.self_training import (
    kl_divergence,
    reconstruction_loss,
    target_distribution,
)
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.blockwise import blockwise_mean
from iciclegcn.nn.mgcn import MGCNAssignments


class MGCNLosses(NamedTuple):
    """The sum of Eq. 26 and its unweighted terms, scalars; a term of weight 0 stays 0.

    Attributes:
        loss: The weighted sum.
        reconstruction: Eq. 11.
        kl_code: Eq. 23.
        kl_streams: Eq. 24-25, one a stream.
        neighbor: The neighbour term.
    """

    loss: Tensor
    reconstruction: Tensor
    kl_code: Tensor
    kl_streams: list[Tensor]
    neighbor: Tensor


def reconstruction_term(
    autoencoder: AutoEncoder, x: Tensor, code: Tensor, options: MGCNConfig
) -> Tensor:
    """Eq. 11 without keeping the decoder's states; 0 where its weight is 0.

    Args:
        autoencoder: Its decoder is used.
        x: Features [N, D].
        code: Their code [N, K].
        options: Kind and weight.

    Returns:
        A scalar in float32.
    """
    if not options.reconstruction_weight:
        return x.new_zeros(())

    def loss(code: Tensor, x: Tensor) -> Tensor:
        return reconstruction_loss(x, autoencoder.decode(code), options.reconstruction)

    return blockwise_mean(loss, code, x, autoencoder.decoder.parameters())


def mgcn_losses(
    assigned: MGCNAssignments,
    recon: Tensor,
    partner: Tensor,
    options: MGCNConfig,
    frequency: Tensor | None = None,
) -> MGCNLosses:
    """The loss of one iteration.

    Args:
        assigned: One forward pass; its own q gives the targets p, so no second pass is needed.
        recon: `reconstruction_term` of the same pass.
        partner: A neighbour of every node [N], for the neighbour term.
        options: Weights and variants.
        frequency: Cluster frequencies [K] of Eq. 22 over all nodes; None: those of this pass.

    Returns:
        Eq. 26 and its terms; those of weight 0 are not computed.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 21-26. The weight of the reconstruction and the neighbour
        term are this library's.
    """
    zero = recon.new_zeros(())
    alpha = options.code_weight
    betas = [stream_weight(options, u) for u in range(len(assigned.streams))]
    p = target_distribution(assigned.q, frequency)
    kl_code = neighbor = zero
    if alpha:
        kl_code = kl_divergence(p, assigned.q)
    kl_streams = [
        kl_divergence(p, g) if beta else zero
        for g, beta in zip(assigned.streams, betas, strict=True)
    ]
    if options.neighbor_weight:
        neighbor = neighbor_consistency_loss(assigned.streams, assigned.code, partner)
    loss = (
        options.reconstruction_weight * recon
        + alpha * kl_code
        + sum(beta * kl for beta, kl in zip(betas, kl_streams, strict=True))
        + options.neighbor_weight * neighbor
    )  # Eq. 26; the paper's weights of recon and neighbor are 1 and 0
    return MGCNLosses(loss, recon, kl_code, kl_streams, neighbor)


def stream_weight(options: MGCNConfig, stream: int) -> float:
    """Factor of one stream's KL term in Eq. 26: beta, eta, ...; the last one repeats."""
    return options.stream_weights[min(stream, len(options.stream_weights) - 1)]
