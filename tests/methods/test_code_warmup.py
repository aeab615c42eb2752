import copy

import pytest
import torch
from torch import Tensor

from iciclegcn.methods.code_warmup import warm_up_code
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.runtime import Runtime

K = 3


def grouped_features(n: int = 60) -> tuple[Tensor, Tensor]:
    """Features [n, 6] around K directions, and the group of each."""
    generator = torch.Generator().manual_seed(0)
    assignments = torch.arange(n) % K
    x = torch.randn(n, 6, generator=generator) * 0.1 + torch.eye(K, 6)[assignments] * 2
    return x, assignments


def new_autoencoder() -> AutoEncoder:
    torch.manual_seed(0)
    return AutoEncoder(6, (16,), K)


def cpu(seed: int = 0, precision: str = "fp32") -> Runtime:
    return Runtime.create(seed, "cpu", precision)


def weights(autoencoder: AutoEncoder) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in autoencoder.parameters()])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_code_learns_the_partition_and_the_reconstruction(precision: str) -> None:
    autoencoder, (x, assignments) = new_autoencoder(), grouped_features()
    with torch.no_grad():
        before = (autoencoder(x)[0] - x).square().mean()
    warm_up_code(autoencoder, x, assignments, 300, cpu(precision=precision))
    with torch.no_grad():
        x_hat, code = autoencoder(x)
    assert code.gather(1, assignments[:, None]).min() > 0.6
    assert (x_hat - x).square().mean() < 0.7 * before


def test_no_steps_change_nothing() -> None:
    autoencoder, (x, assignments) = new_autoencoder(), grouped_features()
    before = weights(autoencoder)
    warm_up_code(autoencoder, x, assignments, 0, cpu())
    assert torch.equal(weights(autoencoder), before)


def test_the_first_step_is_adams_on_cross_entropy_and_reconstruction() -> None:
    autoencoder = new_autoencoder()
    x, assignments = grouped_features(1)  # one row: whatever is drawn is this row
    plain = copy.deepcopy(autoencoder)
    optimizer = torch.optim.Adam(plain.parameters(), 1e-3)
    x_hat, code = plain(x)
    loss = -code[0, int(assignments[0])].log() + (x_hat - x).square().mean()
    loss.backward()
    optimizer.step()
    warm_up_code(autoencoder, x, assignments, 1, cpu())
    torch.testing.assert_close(weights(autoencoder), weights(plain))


def test_the_result_depends_on_the_seed_alone_and_inputs_stay() -> None:
    x, assignments = grouped_features()
    kept = x.clone(), assignments.clone()
    results: list[Tensor] = []
    for seed in (0, 0, 1):
        runtime = cpu(seed)
        autoencoder = new_autoencoder()
        torch.manual_seed(len(results))  # the global state has no say
        warm_up_code(autoencoder, x, assignments, 5, runtime)
        results.append(weights(autoencoder))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.equal(x, kept[0])
    assert torch.equal(assignments, kept[1])


def test_a_certain_code_keeps_the_loss_finite() -> None:
    autoencoder, (x, assignments) = new_autoencoder(), grouped_features()
    with torch.no_grad():
        autoencoder.encoder[-1].bias.copy_(torch.tensor([500.0, 0.0, 0.0]))  # type: ignore[operator]
    warm_up_code(autoencoder, x, assignments, 3, cpu())
    assert torch.isfinite(weights(autoencoder)).all()
