"""The networks of stage 1."""

from dataclasses import dataclass
from pathlib import PurePath

from iciclegcn.config.checks import one_of, require
from iciclegcn.errors import UserError

BUILT_IN = ("resnet18", "resnet34", "resnet50", "convnet")
EFFICIENTNET = "efficientnet-lite0"
LIBRARIES = ("torchvision", "timm")
# Files that hold a whole network: TorchScript, ExportedProgram, ONNX.
NETWORK_FILES = (".pt", ".pt2", ".onnx")
RANDOM = "random"

_KNOWN = (
    ", ".join((*BUILT_IN, EFFICIENTNET, *(f"{library}:NAME" for library in LIBRARIES)))
    + f", or the file of a network ({', '.join(NETWORK_FILES)})"
)


@dataclass(frozen=True)
class BackboneConfig:
    """The CNN (Section 3.1).

    Attributes:
        name: ``resnet18``, ``resnet34``, ``resnet50`` or ``convnet`` (small, for two cores), which
            begin at random; ``efficientnet-lite0``, ``torchvision:NAME`` or ``timm:NAME``, which
            are trained; or a file with a trained network (.pt, .pt2, .onnx).
        stem: ``plain`` (torchvision's) or ``small`` (3x3, no max-pool: keeps small images);
            trained networks have their own.
        width: Output channels of the ``convnet``; ignored by the others.
        weights: Weights of a trained network: their name, a file, or ``random``; null: those that
            it is published with.
        frozen: Leave the network as it is: stage 1 then trains the auto-encoder alone. null:
            trained networks are left so.
        image_size: Side in pixels of what a trained network is shown; null: its own.
        crop: Share of the side that a trained network is shown, the middle of the image; null:
            its own, and all of images that are smaller than what it is shown.
        mean: What a trained network subtracts from channels in [0, 1]; null: its own.
        std: What it divides them by; null: its own.
        trained_on: What its weights were trained on, in words for summaries and reports; null:
            what is known of them.
    """

    name: str = "resnet34"
    stem: str = "plain"
    width: int = 256
    weights: str | None = None
    frozen: bool | None = None
    image_size: int | None = None
    crop: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    trained_on: str | None = None

    def __post_init__(self) -> None:
        require(self.kind is not None, "backbone.name", f"one of {_KNOWN}", self.name)
        one_of("backbone.stem", self.stem, ("plain", "small"))
        require(self.width >= 8, "backbone.width", "at least 8", self.width)
        self._check_shown()
        if self.kind == "built-in":
            self._refuse_what_trained_networks_have()
        if self.kind == "file":
            if self.weights is not None:
                raise UserError(
                    f"'backbone.weights' changes nothing: '{self.name}' holds its own (got "
                    f"{self.weights!r})"
                )
            require(
                self.frozen is not False, "backbone.frozen", "true for the file of a network", False
            )
        if self.weights == RANDOM and self.frozen:
            raise UserError(
                "'backbone.frozen' must be false with random weights: nothing would be trained"
            )

    @property
    def kind(self) -> str | None:
        """``built-in``, ``file``, a library, or ``efficientnet-lite0``; None: no such name."""
        if self.name in BUILT_IN:
            return "built-in"
        if self.name == EFFICIENTNET:
            return EFFICIENTNET
        library, _, model = self.name.partition(":")
        if library in LIBRARIES and model:
            return library
        return "file" if PurePath(self.name).suffix.lower() in NETWORK_FILES else None

    @property
    def trained(self) -> bool:
        """Whether the network comes with trained weights."""
        return self.kind != "built-in" and self.weights != RANDOM

    @property
    def is_frozen(self) -> bool:
        """Whether nothing trains the network."""
        return self.trained if self.frozen is None else self.frozen

    def _check_shown(self) -> None:
        size, crop = self.image_size, self.crop
        require(size is None or size >= 8, "backbone.image_size", "at least 8 pixels", size)
        require(crop is None or 0 < crop <= 1, "backbone.crop", "in (0, 1]", crop)
        for name, values in (("mean", self.mean), ("std", self.std)):
            fits = values is None or len(values) in (1, 3)
            require(fits, f"backbone.{name}", "one number or three", values)
        require(min(self.std or (1,)) > 0, "backbone.std", "positive", self.std)

    def _refuse_what_trained_networks_have(self) -> None:
        for name in ("weights", "image_size", "crop", "mean", "std", "trained_on"):
            value = getattr(self, name)
            if value is not None and value != RANDOM:
                raise UserError(
                    f"'backbone.{name}' is for trained networks, such as torchvision:resnet34 "
                    f"(got {value!r} with {self.name})"
                )
        if self.frozen:
            raise UserError(
                f"'backbone.frozen' must be false for {self.name}, which begins at random; a "
                "trained one is torchvision:resnet34, for example"
            )


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
