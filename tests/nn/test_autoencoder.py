import pytest
import torch
from torch import nn

from iciclegcn.nn import AutoEncoder


def linear(layers: nn.ModuleList, index: int) -> nn.Linear:
    layer = layers[index]
    if not isinstance(layer, nn.Linear):
        raise TypeError(type(layer))
    return layer


def test_encode_agrees_with_values_computed_by_hand() -> None:
    autoencoder = AutoEncoder(2, (2,), 2)
    with torch.no_grad():
        linear(autoencoder.encoder, 0).weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
        linear(autoencoder.encoder, 0).bias.copy_(torch.tensor([1.0, 0.0]))
        linear(autoencoder.encoder, 1).weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        linear(autoencoder.encoder, 1).bias.zero_()
    hidden, code = autoencoder.encode(torch.tensor([[2.0, 5.0]]))
    assert hidden.tolist() == [[3.0, 0.0]]  # the ReLU cuts -5
    expected = torch.tensor([[3.0, 0.0]]).exp() / (torch.tensor(3.0).exp() + 1)
    torch.testing.assert_close(code, expected)


def test_decode_has_a_relu_between_its_layers_and_none_at_the_end() -> None:
    autoencoder = AutoEncoder(1, (1,), 2)
    with torch.no_grad():
        linear(autoencoder.decoder, 0).weight.copy_(torch.tensor([[1.0, -1.0]]))
        linear(autoencoder.decoder, 0).bias.zero_()
        linear(autoencoder.decoder, 1).weight.fill_(-2.0)
        linear(autoencoder.decoder, 1).bias.fill_(0.5)
    assert autoencoder.decode(torch.tensor([[3.0, 1.0], [1.0, 3.0]])).tolist() == [[-3.5], [0.5]]


def test_decoder_mirrors_the_encoder() -> None:
    autoencoder = AutoEncoder(16, (20, 24, 40), 4)
    shapes = [tuple(linear(autoencoder.encoder, i).weight.shape) for i in range(4)]
    mirrored = [tuple(linear(autoencoder.decoder, i).weight.shape) for i in range(4)]
    assert shapes == [(20, 16), (24, 20), (40, 24), (4, 40)]
    assert mirrored == [(inner, outer) for outer, inner in reversed(shapes)]


def test_forward_returns_reconstruction_and_code_and_leaves_x_alone() -> None:
    torch.manual_seed(0)
    autoencoder = AutoEncoder(6, (5, 7), 3)
    x = torch.randn(4, 6)
    kept = x.clone()
    x_hat, code = autoencoder(x)
    assert torch.equal(x, kept)
    assert x_hat.shape == (4, 6)
    torch.testing.assert_close(code.sum(1), torch.ones(4))
    assert torch.equal(code, autoencoder.encode(x)[-1])
    assert torch.equal(x_hat, autoencoder.decode(code))


def test_code_stays_in_single_precision_under_bf16() -> None:
    autoencoder = AutoEncoder(6, (5,), 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden, code = autoencoder.encode(torch.randn(4, 6))
    assert hidden.dtype is torch.bfloat16
    assert code.dtype is torch.float32


@pytest.mark.parametrize(("widths", "text"), [((), "hidden_channels"), ((5, 0), "positive")])
def test_impossible_widths_are_refused(widths: tuple[int, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        AutoEncoder(6, widths, 3)
