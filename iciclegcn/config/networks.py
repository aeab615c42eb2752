"""The networks of stage 1."""

from dataclasses import dataclass

from iciclegcn.config.checks import one_of, require


@dataclass(frozen=True)
class BackboneConfig:
    """The CNN (Section 3.1).

    Attributes:
        name: ``resnet18``, ``resnet34``, ``resnet50`` or ``convnet`` (small, for two cores).
        stem: ``plain`` (torchvision's) or ``small`` (3x3, no max-pool: keeps small images).
        width: Output channels of the ``convnet``; ignored by the ResNets.
        weights: Where the network's trained weights come from; null: random ones.
        frozen: Leave the network as it is: stage 1 then trains the auto-encoder alone.
    """

    name: str = "resnet34"
    stem: str = "plain"
    width: int = 256
    weights: str | None = None
    frozen: bool = False

    def __post_init__(self) -> None:
        one_of("backbone.name", self.name, ("resnet18", "resnet34", "resnet50", "convnet"))
        one_of("backbone.stem", self.stem, ("plain", "small"))
        require(self.width >= 8, "backbone.width", "at least 8", self.width)


@dataclass(frozen=True)
class AutoEncoderConfig:
    """The auto-encoder that stage 1 pretrains and stage 2 fuses (Section 3.5).

    Attributes:
        hidden_channels: Widths between the features and the K-dimensional code.
    """

    hidden_channels: tuple[int, ...] = (500, 500, 2000)

    def __post_init__(self) -> None:
        widths = self.hidden_channels
        require(len(widths) >= 1, "autoencoder.hidden_channels", "one width or more", widths)
        require(min(widths) >= 1, "autoencoder.hidden_channels", "positive", widths)
