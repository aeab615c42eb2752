"""Backbones without their classifiers."""

from torch import Tensor, nn
from torchvision import models

from iciclegcn.config import BackboneConfig
from iciclegcn.nn.pretrained.loading import build_network, load_trained_weights
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.nn.small_map_conv import use_small_map_products


def build_backbone(config: BackboneConfig, in_channels: int = 3) -> tuple[nn.Module, int]:
    """Build a randomly initialised backbone; `start_trained` may follow.

    Args:
        config: Which network, which stem.
        in_channels: Channels of the images, 1 or 3.

    Returns:
        The network, images [N, C, S, S] to features [N, D], and D.

    Raises:
        UserError: If it is a trained network's architecture, and its package or file is absent.

    Source:
        IcicleGCN (Xu et al., 2024), Section 3.1: ResNet-34.
    """
    if config.kind != "built-in":  # grey images are shown to all three channels
        trained = build_network(config)
        return trained, trained.num_features
    if config.name == "convnet":
        return ConvNet(in_channels, config.width, config.stem), config.width
    network: nn.Module = getattr(models, config.name)(weights=None)
    channels: int = network.fc.in_features  # type: ignore[union-attr, assignment]
    network.fc = nn.Identity()
    if config.stem == "small":
        # 3x3 at full resolution and no max-pool: a 32 px image keeps its pixels.
        network.conv1 = nn.Conv2d(in_channels, 64, 3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif in_channels != 3:
        network.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
    use_small_map_products(network)  # 32 px images end as 1x1 maps behind the plain stem
    return network, channels


def start_trained(backbone: nn.Module, config: BackboneConfig, image_size: int) -> None:
    """Let training start from the weights that a backbone comes with, if it does.

    Args:
        backbone: Of `build_backbone`; changed in place.
        config: The same.
        image_size: Side in pixels of the views that it will see.

    Raises:
        UserError: If the weights cannot be had, or the network does not take such views.
    """
    if isinstance(backbone, PretrainedNetwork):
        backbone.require_size(image_size)
        load_trained_weights(backbone, config)


class ConvNet(nn.Module):
    """A small plain network for small images on a machine without a GPU.

    Three stages of two 3x3 convolutions with batch normalisation, at widths w/4, w/2 and w. The
    second and third stage halve the resolution; the first too with the ``plain`` stem. The
    features are the average over positions.

    Args:
        in_channels: Channels of the images.
        width: Channels of the features, a multiple of 4.
        stem: ``plain`` or ``small``.
    """

    def __init__(self, in_channels: int, width: int, stem: str = "small") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        source = in_channels
        for target, stride in (
            (width // 4, 1 if stem == "small" else 2),
            (width // 4, 1),
            (width // 2, 2),
            (width // 2, 1),
            (width, 2),
            (width, 1),
        ):
            layers += [
                nn.Conv2d(source, target, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(target),
                nn.ReLU(inplace=True),
            ]
            source = target
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images).mean(dim=(2, 3))
        return features
