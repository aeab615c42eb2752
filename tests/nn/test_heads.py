import torch
from torch import nn

from iciclegcn.nn.heads import instance_head


def test_instance_head_is_two_layers_with_the_features_width_between() -> None:
    head = instance_head(6, 4)
    shapes = [tuple(layer.weight.shape) for layer in head if isinstance(layer, nn.Linear)]
    assert shapes == [(6, 6), (4, 6)]
    assert head(torch.rand(3, 6)).shape == (3, 4)
    assert instance_head(6)(torch.rand(3, 6)).shape == (3, 128)


def test_instance_head_agrees_with_values_computed_by_hand() -> None:
    head = instance_head(2, 1)
    first, _, second = head
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))  # type: ignore[operator]
        first.bias.copy_(torch.tensor([1.0, 0.5]))  # type: ignore[operator]
        second.weight.copy_(torch.tensor([[2.0, 10.0]]))  # type: ignore[operator]
        second.bias.fill_(-20.0)  # type: ignore[operator]
    # ReLU(3, -2.5) = (3, 0); 2 * 3 - 20: neither cut nor normalised.
    assert head(torch.tensor([[2.0, 3.0]])).tolist() == [[-14.0]]


def test_instance_head_leaves_the_features_alone() -> None:
    x = torch.randn(4, 5)
    kept = x.clone()
    instance_head(5, 3)(x)
    assert torch.equal(x, kept)
