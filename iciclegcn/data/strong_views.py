"""Strong and weak views, for methods that teach one what the other says."""

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from iciclegcn.config import ViewConfig
from iciclegcn.data.views import Among, random_views

# What leaves the image, or is cut out of it, becomes the grey that normalises to 0.
_GREY = 128

# Of a batch and a strength in [0, 1), which goes from one bound below to the other.
_Operation = Callable[[Tensor, float], Tensor]
_ROTATION = 30.0  # degrees either way
_SHEAR = 16.7  # degrees either way: moves the edge by 0.3 of the side
_SHIFT = 0.3  # of the side, either way
_FACTORS = (0.05, 0.95)  # of brightness, contrast, saturation and sharpness
_FEWEST_BITS, _MOST_BITS = 4, 8


def weak_config(views: ViewConfig, crop: tuple[float, float]) -> ViewConfig:
    """The crop and the flip that a weak view has, and nothing else.

    Args:
        views: The run's views; they say whether images may be flipped.
        crop: Area that is kept, lower and upper bound; the crop has the image's shape.
    """
    return dataclasses.replace(
        views,
        crop_scale=crop,
        crop_ratio=(1.0, 1.0),
        rotation=0.0,
        jitter_probability=0.0,
        grayscale_probability=0.0,
        blur_probability=0.0,
    )


def strong_views(
    images: Tensor,
    size: int,
    weak: ViewConfig,
    operations: int,
    cutout: float,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    among: Among | None = None,
) -> Tensor:
    """Some random operations and a cutout, then the crop and flip of a weak view.

    Each image draws its operations; the images that drew the same one in a round share its strength
    and are changed at once.

    Args:
        images: uint8 [N, C, H, W], C = 1 or 3, H and W at least 3.
        size: Side of the views in pixels.
        weak: What follows, as `weak_config` gives.
        operations: Rounds, 0 or more.
        cutout: Side of the square that becomes grey, as a share of the image's; 0: none.
        generator: Source of every draw, on the device of the images.
        dtype: Floating dtype of the views.
        among: The batch is part of a larger one, whose views are the same in whatever parts they
            are drawn; None: it is the whole.

    Returns:
        ``dtype`` [N, C, size, size], channels last, in [-2, 2].

    Source:
        RandAugment (Cubuk et al., 2020) with the strengths of FixMatch (Sohn et al., 2020),
        Table 12; cutout (DeVries and Taylor, 2017).
    """
    total = len(images) if among is None else among.total
    positions = None if among is None else among.positions.to(images.device)

    def draw(rows: int, columns: int) -> Tensor:
        return torch.rand(rows, columns, generator=generator, device=images.device)

    def own(draws: Tensor) -> Tensor:
        return draws if positions is None else draws[:, positions]

    drawn = own((draw(operations, total) * len(OPERATIONS)).long())
    strengths = draw(operations, len(OPERATIONS)).tolist()
    for chosen, strength in zip(drawn, strengths, strict=True):
        images = _one_round(images, chosen, strength)
    if cutout > 0:
        images = _cut_out(images, cutout, own(draw(2, total)))
    return random_views(images, size, weak, generator, dtype, among)


def _one_round(images: Tensor, chosen: Tensor, strength: list[float]) -> Tensor:
    """Give every image its operation; ``chosen`` int64 [N]."""
    changed = torch.empty_like(images)
    for number, operation in enumerate(OPERATIONS.values()):
        part = (chosen == number).nonzero()[:, 0]
        if len(part) > 0:
            changed[part] = operation(images[part], strength[number])
    return changed


def _cut_out(images: Tensor, share: float, centers: Tensor) -> Tensor:
    """Grey squares around ``centers`` [2, N] in [0, 1); what lies beyond the edge is lost."""
    height, width = images.shape[-2:]

    def covered(pixels: int, center: Tensor) -> Tensor:
        middles = torch.arange(pixels, device=images.device) + 0.5
        return (middles - center[:, None] * pixels).abs() <= share * pixels / 2  # [N, pixels]

    rows, columns = covered(height, centers[0]), covered(width, centers[1])
    square = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(square, _GREY)


def _either_way(strength: float, most: float) -> float:
    return (2 * strength - 1) * most


def _factor(strength: float) -> float:
    low, high = _FACTORS
    return low + strength * (high - low)


def _affine(
    images: Tensor,
    *,
    angle: float = 0,
    shift: tuple[float, float] = (0, 0),
    shear: tuple[float, float] = (0, 0),
) -> Tensor:
    moved: Tensor = tv.affine(
        images,
        angle=angle,
        translate=list(shift),
        scale=1.0,
        shear=list(shear),
        interpolation=InterpolationMode.BILINEAR,
        fill=[float(_GREY)] * images.size(1),
    )
    return moved


def _shift(side: int, strength: float) -> float:
    """Pixels, any fraction."""
    return _either_way(strength, _SHIFT) * side


def _bits(strength: float) -> int:
    return _FEWEST_BITS + int(strength * (_MOST_BITS - _FEWEST_BITS + 1))


# Colours are left alone in images of one channel: torchvision's saturation changes nothing there.
OPERATIONS: dict[str, _Operation] = {
    "identity": lambda images, _: images,
    "auto_contrast": lambda images, _: tv.autocontrast(images),
    "equalize": lambda images, _: tv.equalize(images),
    "rotate": lambda images, s: _affine(images, angle=_either_way(s, _ROTATION)),
    "solarize": lambda images, s: tv.solarize(images, threshold=s * 255),
    "saturation": lambda images, s: tv.adjust_saturation(images, _factor(s)),
    "contrast": lambda images, s: tv.adjust_contrast(images, _factor(s)),
    "brightness": lambda images, s: tv.adjust_brightness(images, _factor(s)),
    "sharpness": lambda images, s: tv.adjust_sharpness(images, _factor(s)),
    "shear_x": lambda images, s: _affine(images, shear=(_either_way(s, _SHEAR), 0)),
    "shear_y": lambda images, s: _affine(images, shear=(0, _either_way(s, _SHEAR))),
    "shift_x": lambda images, s: _affine(images, shift=(_shift(images.shape[-1], s), 0)),
    "shift_y": lambda images, s: _affine(images, shift=(0, _shift(images.shape[-2], s))),
    "posterize": lambda images, s: tv.posterize(images, _bits(s)),
}
