"""What is known of a trained network before it is built."""

from pathlib import Path
from typing import NamedTuple, Protocol

from torch import nn

from iciclegcn.config import BackboneConfig
from iciclegcn.config.networks import RANDOM

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SUPERVISED = "supervised ImageNet weights"

_WEIGHT_FILES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")


class Shown(NamedTuple):
    """What a network is shown of an image.

    Attributes:
        image_size: Side in pixels.
        crop: Share of the side that is left, the middle of the image.
        interpolation: ``bilinear`` or ``bicubic``.
        mean: Subtracted from channels in [0, 1].
        std: They are divided by it then.
    """

    image_size: int = 224
    crop: float = 0.875
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @property
    def resized(self) -> int:
        """Side in pixels of the whole image, of which the middle is shown."""
        return round(self.image_size / self.crop)


class NetworkFacts(NamedTuple):
    """A trained network in words and numbers.

    Attributes:
        weights: Name of the weights, or of their file.
        trained_on: What they come from, for reports.
        shown: What the network is shown.
        fixed: Whether it takes images of that size alone.
    """

    weights: str
    trained_on: str
    shown: Shown
    fixed: bool = False


class Source(Protocol):
    """Where networks come from. A mistake of the user raises ``UserError``."""

    def facts(self, config: BackboneConfig) -> NetworkFacts:
        """What is known without building it."""

    def build(self, config: BackboneConfig) -> nn.Module:
        """The network with random weights: images [N, 3, S, S] to features."""

    def load(self, network: nn.Module, config: BackboneConfig) -> None:
        """Give it its trained weights."""


def weights_file(config: BackboneConfig) -> Path | None:
    """The file that ``weights`` means; None: a name."""
    if config.weights is None or config.weights == RANDOM:
        return None
    file = Path(config.weights).expanduser()
    is_file = file.suffix.lower() in _WEIGHT_FILES or file.is_file()
    return file if is_file else None


def untold(file: Path) -> str:
    """What is said of weights that only their file is known of."""
    return f"weights of {file.name}, whose training is not known"
