"""Which images, and how they are augmented."""

from dataclasses import dataclass

from iciclegcn.config.checks import one_of, require

# Of pixel values in [0, 1], as in most natural images: what every network here is shown is pixels
# less the mean, by the deviation.
VIEW_MEAN, VIEW_STD = 0.5, 0.25


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how large.

    Attributes:
        source: A folder, a zip, a list of paths, an array file or the name of a data set.
        image_size: Side in pixels of the views that enter the backbone.
        cache_size: Side in pixels at which decoded images are kept.
        channels: 1 (greyscale) or 3 (RGB) channels kept.
        labels_from_folders: First-level folder names are the truth (evaluation only).
        labels: CSV file with the truth (evaluation only).
        strict: Refuse unreadable files instead of skipping them.
        kind: ``images``, or ``features`` where the source is a matrix of them.
        scaling: Of such a matrix, or of a frozen backbone's features: ``none``, or ``unit`` (rows
            are moved to mean 0 and divided by one number, so that the entries' mean square is 1;
            which rows are near stays).
    """

    source: str = "digits"
    image_size: int | None = None  # Section 3.5: 224
    cache_size: int | None = None
    channels: int | None = None
    labels_from_folders: bool = False
    labels: str | None = None
    strict: bool = False
    kind: str = "images"
    scaling: str = "none"

    def __post_init__(self) -> None:
        for name in ("image_size", "cache_size"):
            value = getattr(self, name)
            require(value is None or value >= 4, f"data.{name}", "at least 4 pixels", value)
        require(self.channels in (None, 1, 3), "data.channels", "1 or 3", self.channels)
        one_of("data.kind", self.kind, ("images", "features"))
        one_of("data.scaling", self.scaling, ("none", "unit"))

    @property
    def noun(self) -> str:
        """What the items are called: ``images`` or ``rows``."""
        return "rows" if self.kind == "features" else "images"


@dataclass(frozen=True)
class ViewConfig:
    """The random augmentations of one view (Section 3.1; strengths as in contrastive clustering).

    Attributes:
        crop_scale: Area of the resized crop relative to the image, lower and upper bound.
        crop_ratio: Aspect ratio of the crop, lower and upper bound.
        flip_probability: Horizontal flips.
        rotation: Largest rotation either way, degrees.
        jitter_probability: How often the colour jitter applies.
        brightness: Brightness factor within 1 +- this.
        contrast: Contrast factor within 1 +- this.
        saturation: Saturation factor within 1 +- this.
        hue: Hue shift within +- this, in turns.
        grayscale_probability: How often colours are dropped.
        blur_probability: How often Gaussian blur applies.
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (0.75, 4.0 / 3.0)
    flip_probability: float = 0.5
    rotation: float = 0.0
    jitter_probability: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grayscale_probability: float = 0.2
    blur_probability: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.crop_scale
        require(0 < low <= high <= 1, "views.crop_scale", "0 < low <= high <= 1", self.crop_scale)
        low, high = self.crop_ratio
        require(0 < low <= high, "views.crop_ratio", "0 < low <= high", self.crop_ratio)
        for name in (
            "flip_probability",
            "jitter_probability",
            "grayscale_probability",
            "blur_probability",
        ):
            value = getattr(self, name)
            require(0 <= value <= 1, f"views.{name}", "in [0, 1]", value)
        for name in ("brightness", "contrast", "saturation"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"views.{name}", "in [0, 1]", value)
        require(0 <= self.hue <= 0.5, "views.hue", "in [0, 0.5]", self.hue)
        require(0 <= self.rotation <= 180, "views.rotation", "in [0, 180]", self.rotation)
