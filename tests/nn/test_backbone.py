import pytest
import torch
from torch import Tensor, nn

from iciclegcn.config import BackboneConfig
from iciclegcn.nn.backbone import ConvNet, build_backbone


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]


def sizes_after_convolutions(network: nn.Module, images: Tensor) -> list[int]:
    """Side of every convolution's output, in order."""
    sizes: list[int] = []
    for layer in convolutions(network):
        layer.register_forward_hook(lambda _layer, _input, output: sizes.append(output.size(-1)))
    network.eval()(images)
    return sizes


@pytest.mark.parametrize(
    ("name", "width", "depth"),
    [("resnet18", 512, 20), ("resnet34", 512, 36), ("resnet50", 2048, 53)],
)
def test_resnets_have_their_depth_and_width(name: str, width: int, depth: int) -> None:
    with torch.device("meta"):  # shapes without weights
        network, channels = build_backbone(BackboneConfig(name))
        features = network(torch.empty(2, 3, 224, 224))
    assert channels == width
    assert features.shape == (2, width)
    assert len(convolutions(network)) == depth
    assert not any(isinstance(layer, nn.Linear) for layer in network.modules())


def test_plain_stem_is_torchvisions() -> None:
    with torch.device("meta"):
        network, _ = build_backbone(BackboneConfig("resnet18", "plain"))
    stem = convolutions(network)[0]
    assert (stem.kernel_size, stem.stride) == ((7, 7), (2, 2))
    assert any(isinstance(layer, nn.MaxPool2d) for layer in network.modules())
    sizes = sizes_after_convolutions(network, torch.empty(1, 3, 64, 64, device="meta"))
    assert (sizes[0], sizes[1], sizes[-1]) == (32, 16, 2)


def test_small_stem_keeps_the_pixels_of_small_images() -> None:
    with torch.device("meta"):
        network, _ = build_backbone(BackboneConfig("resnet18", "small"))
    stem = convolutions(network)[0]
    assert (stem.kernel_size, stem.stride, stem.bias) == ((3, 3), (1, 1), None)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in network.modules())
    sizes = sizes_after_convolutions(network, torch.empty(1, 3, 32, 32, device="meta"))
    assert (sizes[0], sizes[1], sizes[-1]) == (32, 32, 4)


@pytest.mark.parametrize("name", ["resnet18", "convnet"])
@pytest.mark.parametrize("stem", ["plain", "small"])
def test_greyscale_images_have_a_stem_of_one_channel(name: str, stem: str) -> None:
    network, channels = build_backbone(BackboneConfig(name, stem, width=16), in_channels=1)
    assert convolutions(network)[0].in_channels == 1
    assert network.eval()(torch.zeros(2, 1, 16, 16)).shape == (2, channels)


@pytest.mark.parametrize(
    ("stem", "sides"), [("small", [16, 16, 8, 8, 4, 4]), ("plain", [8, 8, 4, 4, 2, 2])]
)
def test_convnet_halves_the_resolution_between_its_stages(stem: str, sides: list[int]) -> None:
    network, channels = build_backbone(BackboneConfig("convnet", stem, width=32))
    assert channels == 32
    assert [layer.out_channels for layer in convolutions(network)] == [8, 8, 16, 16, 32, 32]
    assert sizes_after_convolutions(network, torch.zeros(1, 3, 16, 16)) == sides


def test_convnet_averages_over_positions() -> None:
    torch.manual_seed(0)
    network = ConvNet(1, 8).eval()
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(network(images), network.layers(images).flatten(2).mean(2))
    assert network(images).min() >= 0


def test_weights_come_from_the_global_seed() -> None:
    def first_weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return convolutions(build_backbone(BackboneConfig("convnet", width=8))[0])[0].weight

    assert torch.equal(first_weights(1), first_weights(1))
    assert not torch.equal(first_weights(1), first_weights(2))
