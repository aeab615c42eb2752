import pytest
import torch
from torch import Tensor

from iciclegcn.config import MGCNConfig
from iciclegcn.losses.neighbor_consistency import neighbor_consistency_loss
from iciclegcn.losses.self_training import (
    kl_divergence,
    reconstruction_loss,
    target_distribution,
)
from iciclegcn.methods.mgcn_losses import mgcn_losses, reconstruction_term, stream_weight
from iciclegcn.nn import AutoEncoder
from iciclegcn.nn.mgcn import MGCNAssignments

PARTNER = torch.arange(8).roll(1)


def soft(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(torch.randn(8, 3, generator=generator), dim=1)


def assigned() -> MGCNAssignments:
    return MGCNAssignments(code=soft(0), q=soft(1), streams=[soft(2), soft(3), soft(4)])


def test_the_sum_of_the_paper_weighs_every_term_and_repeats_the_last_stream_weight() -> None:
    now, recon = assigned(), torch.tensor(7.0)
    losses = mgcn_losses(now, recon, PARTNER, MGCNConfig())
    p = target_distribution(now.q)
    kl_g = [kl_divergence(p, g) for g in now.streams]
    expected = 7.0 + 0.1 * kl_divergence(p, now.q) + 0.05 * kl_g[0] + 0.01 * (kl_g[1] + kl_g[2])
    torch.testing.assert_close(losses.loss, expected)
    torch.testing.assert_close(losses.kl_streams, kl_g)
    assert losses.neighbor.item() == 0


def test_the_neighbour_term_and_the_reconstruction_have_weights_of_their_own() -> None:
    now, recon = assigned(), torch.tensor(7.0)
    options = MGCNConfig(
        reconstruction_weight=0.5, code_weight=0.0, stream_weights=(0.0,), neighbor_weight=2.0
    )
    losses = mgcn_losses(now, recon, PARTNER, options)
    expected = 3.5 + 2 * neighbor_consistency_loss(now.streams, now.code, PARTNER)
    torch.testing.assert_close(losses.loss, expected)


def test_terms_of_weight_zero_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Tensor) -> Tensor:
        raise RuntimeError(f"called with {len(arguments)} arguments")

    for name in ("kl_divergence", "neighbor_consistency_loss", "blockwise_mean"):
        monkeypatch.setattr(f"iciclegcn.methods.mgcn_losses.{name}", refuse)
    options = MGCNConfig(reconstruction_weight=0.0, code_weight=0.0, stream_weights=(0.0,))
    x, autoencoder = torch.randn(8, 5), AutoEncoder(5, (4,), 3)
    recon = reconstruction_term(autoencoder, x, soft(0), options)
    assert mgcn_losses(assigned(), recon, PARTNER, options).loss.item() == 0


@pytest.mark.parametrize("kind", ["squared_norm", "entry_mean"])
def test_reconstruction_term_is_the_loss_of_the_decoded_code(kind: str) -> None:
    torch.manual_seed(0)
    x, autoencoder = torch.randn(8, 5), AutoEncoder(5, (4,), 3)
    term = reconstruction_term(autoencoder, x, soft(0), MGCNConfig(reconstruction=kind))
    torch.testing.assert_close(term, reconstruction_loss(x, autoencoder.decode(soft(0)), kind))


def test_stream_weights_are_beta_eta_and_so_on() -> None:
    options = MGCNConfig(stream_weights=(0.3, 0.2))
    assert [stream_weight(options, u) for u in range(4)] == [0.3, 0.2, 0.2, 0.2]
