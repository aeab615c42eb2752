"""Values are compared where two ranks run: here what needs no second process."""

import torch
from torch import nn

from iciclegcn.nn.synced_batch_norm import SyncedBatchNorm2d, synchronise_batch_norm


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4, 1e-3, 0.2), nn.ReLU()))


def test_the_same_parameters_and_buffers_stay_under_the_same_names() -> None:
    changed = network()
    parameters, buffers = dict(changed.named_parameters()), dict(changed.named_buffers())
    synchronise_batch_norm(changed)
    layer = changed[1][0]  # type: ignore[index]
    assert isinstance(layer, SyncedBatchNorm2d)
    assert (layer.eps, layer.momentum, layer.training) == (1e-3, 0.2, True)
    assert all(changed.get_parameter(name) is value for name, value in parameters.items())
    assert all(changed.get_buffer(name) is value for name, value in buffers.items())
    assert list(changed.state_dict()) == list(network().state_dict())


def test_evaluation_is_that_of_batch_norm() -> None:
    torch.manual_seed(0)
    changed, x = network().train(), torch.randn(5, 3, 6, 6)
    changed(x)  # statistics that are not those of a new layer
    changed.eval()
    expected = changed(x)
    synchronise_batch_norm(changed)
    assert torch.equal(changed(x), expected)
