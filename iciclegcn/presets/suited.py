"""What suits a set of images whatever is done with it: its size in the cache, and its views."""

import dataclasses
from pathlib import Path

from iciclegcn.config import DataConfig, ViewConfig
from iciclegcn.data.named import find_named

_PHOTOGRAPH_SIZE = 224


def is_small(source: str) -> bool:
    """Whether images are grey pictures of a few pixels, such as digits."""
    dataset = find_named(source)
    return dataset is not None and not dataset.photographs


def suited_data(source: str, image_size: int | None) -> DataConfig:
    """How images are cached.

    Args:
        source: What the user calls DATA.
        image_size: Side of the views in pixels; None: the literature's.
    """
    dataset = find_named(source)
    if dataset is not None:
        cache_size = dataset.image_size if dataset.native else _margin(image_size)
        return DataConfig(source, image_size, cache_size, dataset.channels)
    if Path(source).suffix.lower() in (".npy", ".npz"):
        return DataConfig(source, image_size)  # kept at their own size and channels
    return DataConfig(source, image_size, _margin(image_size), 3)


def suited_views(
    source: str, image_size: int | None, views: ViewConfig, *, strength: float | None = None
) -> ViewConfig:
    """Flips, colours and blur that leave what an image shows.

    Args:
        source: What the user calls DATA.
        image_size: Side of the views in pixels; None: the literature's.
        views: Gives the crops and the rotation.
        strength: s of the colour jitter, which also decides that nothing is blurred; None: the
            literature's for the data, with its blur.
    """
    dataset = find_named(source)
    large = (image_size or _PHOTOGRAPH_SIZE) >= 96
    blurred = strength is None and (dataset is None or dataset.blur) and large
    if strength is None:
        strength = dataset.jitter_strength if dataset else (1.0 if large else 0.5)
    colored = dataset is None or dataset.photographs
    return dataclasses.replace(
        views,
        flip_probability=0.5 if dataset is None or dataset.flip else 0.0,
        brightness=0.8 * strength,
        contrast=0.8 * strength,
        saturation=0.8 * strength if colored else 0.0,
        hue=0.2 * strength if colored else 0.0,
        grayscale_probability=0.2 if colored else 0.0,
        blur_probability=0.5 if blurred else 0.0,
    )


def _margin(image_size: int | None) -> int:
    """Cache photographs a little larger than the views, so that crops lose less detail."""
    return round((image_size or _PHOTOGRAPH_SIZE) * 8 / 7)
