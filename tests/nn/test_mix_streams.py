import pytest
import torch
from torch import Tensor

from iciclegcn.nn import mix_streams as module
from iciclegcn.nn.mix_streams import FusionCoefficients, mix_streams

COEFFICIENTS = FusionCoefficients(own=0.4, peer=0.2, autoencoder=0.5)


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 12)  # blocks of a few rows, the last one short


def plainly(states: list[Tensor], h: Tensor, weights: list[Tensor] | None) -> list[Tensor]:
    active = [state.relu() for state in states]
    mixed = []
    for u, state in enumerate(active):
        peers = [peer for v, peer in enumerate(active) if v != u]
        fused = 0.4 * state + 0.5 * h
        for peer in peers:
            fused = fused + 0.2 * peer
        mixed.append(fused if weights is None else fused @ weights[u].T)
    return mixed


def random_inputs(num_streams: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(num_streams)
    return [
        torch.randn(10, 3, generator=generator, dtype=dtype, requires_grad=True)
        for _ in range(num_streams + 1)
    ]


def test_mix_agrees_with_values_computed_by_hand() -> None:
    a, b, h = torch.tensor([[[1.0, -1.0]], [[10.0, 20.0]], [[100.0, -100.0]]])
    mixed_a, mixed_b = mix_streams(COEFFICIENTS, [a, b], h)
    torch.testing.assert_close(mixed_a, torch.tensor([[0.4 + 2 + 50, 4.0 - 50]]))
    torch.testing.assert_close(mixed_b, torch.tensor([[4 + 0.2 + 50, 8.0 - 50]]))
    weight = torch.tensor([[1.0, 1.0]])
    _, mapped_b = mix_streams(COEFFICIENTS, [a, b], h, [weight, 2 * weight])
    torch.testing.assert_close(mapped_b, torch.tensor([[2 * (54.2 - 42)]]))


@pytest.mark.parametrize("num_streams", [1, 2, 3])
@pytest.mark.parametrize("mapped", [False, True])
def test_mix_and_gradients_agree_with_plain_operations(num_streams: int, mapped: bool) -> None:
    *states, h = random_inputs(num_streams)
    weights = [torch.randn(5, 3, requires_grad=True) for _ in states] if mapped else None
    inputs = [*states, h, *(weights or [])]
    mixed = mix_streams(COEFFICIENTS, states, h, weights)
    expected = plainly(states, h, weights)
    torch.testing.assert_close(mixed, expected)
    grads = torch.autograd.grad(sum(m.square().sum() for m in mixed), inputs)
    expected_grads = torch.autograd.grad(sum(m.square().sum() for m in expected), inputs)
    torch.testing.assert_close(grads, expected_grads)


@pytest.mark.parametrize("mapped", [False, True])
def test_gradients_hold_in_double_precision(mapped: bool) -> None:
    *states, h = random_inputs(2, torch.float64)
    count = 2 if mapped else 0
    weights = [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(count)]

    def run(h: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(mix_streams(COEFFICIENTS, tensors[:2], h, tensors[2:] or None))

    assert torch.autograd.gradcheck(run, (h, *states, *weights))


def test_one_shared_weight_gathers_the_gradients_of_all_streams() -> None:
    *states, h = random_inputs(2)
    weight = torch.randn(5, 3, requires_grad=True)
    out = mix_streams(COEFFICIENTS, states, h, [weight, weight])
    expected = plainly(states, h, [weight, weight])
    (grad,) = torch.autograd.grad(sum(o.square().sum() for o in out), weight)
    (expected_grad,) = torch.autograd.grad(sum(o.square().sum() for o in expected), weight)
    torch.testing.assert_close(grad, expected_grad)


def test_arguments_stay_as_they_were() -> None:
    *states, h = random_inputs(2)
    kept = [tensor.clone() for tensor in (*states, h)]
    mix_streams(COEFFICIENTS, states, h)[0].sum().backward()  # type: ignore[no-untyped-call]
    assert all(torch.equal(a, b) for a, b in zip((*states, h), kept, strict=True))


def test_bf16_states_give_bf16_and_single_precision_weight_gradients() -> None:
    *states, h = (tensor.detach().bfloat16().requires_grad_() for tensor in random_inputs(2))
    weight = torch.randn(5, 3, requires_grad=True)
    out = mix_streams(COEFFICIENTS, states, h.float(), [weight, weight])
    out[0].float().sum().backward()  # type: ignore[no-untyped-call]
    assert out[0].dtype is torch.bfloat16
    assert weight.grad is not None
    assert weight.grad.dtype is torch.float32
    expected = plainly([s.float() for s in states], h.float(), [weight, weight])
    torch.testing.assert_close(out[1].float(), expected[1], rtol=0.05, atol=0.05)
