import pytest
import torch
from torch import Tensor, nn

from iciclegcn.nn import blockwise as module
from iciclegcn.nn.blockwise import blockwise_mean


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ROWS", 4)  # the last block of 10 rows is short


def setting() -> tuple[nn.Linear, Tensor, Tensor]:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2).double()
    inputs = torch.randn(10, 3, dtype=torch.float64, requires_grad=True)
    return layer, inputs, torch.randn(10, 2, dtype=torch.float64)


def test_value_and_gradients_are_those_of_all_rows_at_once() -> None:
    layer, inputs, targets = setting()

    def loss(z: Tensor, x: Tensor) -> Tensor:
        value: Tensor = (layer(z).relu() - x).square().sum(1).mean()
        return value

    learned = [inputs, *layer.parameters()]
    mean = blockwise_mean(loss, inputs, targets, layer.parameters())
    expected = loss(inputs, targets)
    torch.testing.assert_close(mean, expected)
    grads = torch.autograd.grad(3 * mean, learned)
    torch.testing.assert_close(grads, torch.autograd.grad(3 * expected, learned))


def test_no_block_sees_more_rows_than_it_should() -> None:
    layer, inputs, targets = setting()
    seen: list[int] = []

    def loss(z: Tensor, x: Tensor) -> Tensor:
        seen.append(len(x))
        value: Tensor = (layer(z) - x).square().mean()
        return value

    blockwise_mean(loss, inputs, targets, layer.parameters())
    assert seen == [4, 4, 2]


def test_without_gradients_the_value_alone_is_computed() -> None:
    layer, inputs, targets = setting()
    with torch.no_grad():
        mean = blockwise_mean(
            lambda z, x: (layer(z) - x).square().mean(), inputs, targets, layer.parameters()
        )
    assert not mean.requires_grad
    torch.testing.assert_close(mean, (layer(inputs) - targets).square().mean().detach())
