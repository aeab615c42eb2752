import pytest
import torch
from torch import Tensor

from iciclegcn.nn import mix_streams as module
from iciclegcn.nn import stream_blocks
from iciclegcn.nn.mix_streams import FusionCoefficients, mix_streams

COEFFICIENTS = FusionCoefficients(own=0.4, peer=0.2, autoencoder=0.5)


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_blocks, "BLOCK_ENTRIES", 12)  # a few rows each, the last one short


@pytest.fixture(autouse=True, params=["few columns", "many columns"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many columns":
        monkeypatch.setattr(module, "_FEW", 0)


def plainly(
    states: list[Tensor],
    h: Tensor,
    before: list[Tensor] | None = None,
    after: list[Tensor] | None = None,
) -> list[Tensor]:
    if before is not None:
        states = [state @ weight.T for state, weight in zip(states, before, strict=True)]
    active = [state.relu() for state in states]
    mixed = []
    for u, state in enumerate(active):
        peers = [peer for v, peer in enumerate(active) if v != u]
        fused = 0.4 * state + 0.5 * h
        for peer in peers:
            fused = fused + 0.2 * peer
        mixed.append(fused if after is None else fused @ after[u].T)
    return mixed


def total(outputs: list[Tensor]) -> Tensor:
    return torch.stack([output.square().sum() for output in outputs]).sum()


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
    _, mapped_b = mix_streams(COEFFICIENTS, [a, b], h, after=[weight, 2 * weight])
    torch.testing.assert_close(mapped_b, torch.tensor([[2 * (54.2 - 42)]]))


def random_maps(count: int, wanted: bool, dtype: torch.dtype) -> list[Tensor] | None:
    if not wanted:
        return None
    return [torch.randn(3, 3, dtype=dtype, requires_grad=True) for _ in range(count)]


@pytest.mark.parametrize("num_streams", [1, 2, 3])
@pytest.mark.parametrize("maps_before", [False, True])
@pytest.mark.parametrize("maps_after", [False, True])
def test_mix_and_gradients_agree_with_plain_operations(
    num_streams: int, maps_before: bool, maps_after: bool
) -> None:
    *states, h = random_inputs(num_streams, torch.float64)
    before = random_maps(num_streams, maps_before, torch.float64)
    after = random_maps(num_streams, maps_after, torch.float64)
    inputs = [*states, h, *(before or []), *(after or [])]
    mixed = mix_streams(COEFFICIENTS, states, h, before, after)
    expected = plainly(states, h, before, after)
    torch.testing.assert_close(mixed, expected)
    grads = torch.autograd.grad(total(mixed), inputs)
    torch.testing.assert_close(grads, torch.autograd.grad(total(expected), inputs))


def test_gradients_hold_in_double_precision() -> None:
    *states, h = random_inputs(2, torch.float64)
    before, after = (random_maps(2, True, torch.float64) or [] for _ in range(2))

    def run(h: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(mix_streams(COEFFICIENTS, tensors[:2], h, tensors[2:4], tensors[4:]))

    assert torch.autograd.gradcheck(run, (h, *states, *before, *after))


def test_widths_change_in_both_maps_and_constant_states_get_no_gradient() -> None:
    *states, h = (tensor.detach() for tensor in random_inputs(2))
    before = [torch.randn(3, 4, requires_grad=True) for _ in states]
    after = [torch.randn(2, 3, requires_grad=True) for _ in states]
    wide = [torch.cat([state, state[:, :1]], 1) for state in states]
    mixed = mix_streams(COEFFICIENTS, wide, h, before, after)
    expected = plainly(wide, h, before, after)
    torch.testing.assert_close(mixed, expected)
    grads = torch.autograd.grad(total(mixed), [*before, *after])
    torch.testing.assert_close(grads, torch.autograd.grad(total(expected), [*before, *after]))


def test_one_shared_weight_gathers_the_gradients_of_all_streams() -> None:
    *states, h = random_inputs(2)
    weight = torch.randn(5, 3, requires_grad=True)
    out = mix_streams(COEFFICIENTS, states, h, after=[weight, weight])
    expected = plainly(states, h, after=[weight, weight])
    (grad,) = torch.autograd.grad(total(out), weight)
    (expected_grad,) = torch.autograd.grad(total(expected), weight)
    torch.testing.assert_close(grad, expected_grad)


def test_arguments_stay_as_they_were() -> None:
    *states, h = random_inputs(2)
    kept = [tensor.clone() for tensor in (*states, h)]
    mix_streams(COEFFICIENTS, states, h)[0].sum().backward()  # type: ignore[no-untyped-call]
    assert all(torch.equal(a, b) for a, b in zip((*states, h), kept, strict=True))


def test_bf16_states_give_bf16_and_single_precision_weight_gradients() -> None:
    *states, h = (tensor.detach().bfloat16().requires_grad_() for tensor in random_inputs(2))
    weight = torch.randn(5, 3, requires_grad=True)
    out = mix_streams(COEFFICIENTS, states, h.float(), after=[weight, weight])
    out[0].float().sum().backward()  # type: ignore[no-untyped-call]
    assert out[0].dtype is torch.bfloat16
    assert weight.grad is not None
    assert weight.grad.dtype is torch.float32
    expected = plainly([s.float() for s in states], h.float(), after=[weight, weight])
    torch.testing.assert_close(out[1].float(), expected[1], rtol=0.05, atol=0.05)
