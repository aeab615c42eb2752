"""Images, or rows of features, that a finished run has not seen: opened, and read in batches."""

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from iciclegcn.config import DataConfig
from iciclegcn.data.arrays import ArraySource
from iciclegcn.data.base import ImageSource, path_exists
from iciclegcn.data.cache_build import decoded_chunks
from iciclegcn.data.decode import SUFFIXES
from iciclegcn.data.feature_files import ArrayFile
from iciclegcn.data.features import FeatureSource, open_features
from iciclegcn.data.files import FileSource
from iciclegcn.data.sources import open_source
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError

# What a user may call new: what a run takes, one image file, several, or an array.
New: TypeAlias = str | Path | Sequence[str | Path] | NDArray[np.generic]


class Batch(NamedTuple):
    """Some new items in the order given.

    Attributes:
        paths: What names each of them [n].
        items: Pixels uint8 [n, C, S, S], or rows float32 [n, D].
        skipped: (path, reason) of the unreadable ones met on the way.
    """

    paths: list[str]
    items: NDArray[np.generic]
    skipped: list[tuple[str, str]]


class NewItems(Protocol):
    """New items, read once or more."""

    def __len__(self) -> int:
        """How many there are, unreadable ones too."""

    def batches(self, size: int) -> Generator[Batch]:
        """All items in order, at most ``size`` at a time; the last batch may hold none."""


class NewImages:
    """New images, decoded as those of the run were.

    Args:
        source: The images.
        size: Side S in pixels of the run's images.
        channels: Their channels C.
    """

    def __init__(self, source: ImageSource, size: int, channels: int) -> None:
        self._source = source
        self._size, self._channels = size, channels

    def __len__(self) -> int:
        return len(self._source)

    def batches(self, size: int) -> Generator[Batch]:
        """Batches while the next ones are decoded; within `iciclegcn.data.decode.pillow_warnings`.

        Args:
            size: Images at a time.
        """
        listing = self._source.paths
        pixels: list[NDArray[np.uint8]] = []
        paths: list[str] = []
        skipped: list[tuple[str, str]] = []
        with contextlib.closing(decoded_chunks(self._source, self._size, self._channels)) as chunks:
            for chunk in chunks:
                pixels.append(chunk.pixels)
                paths += [listing[index] for index in chunk.kept]
                skipped += [(listing[index], reason) for index, reason in chunk.skipped]
                while len(paths) >= size:
                    whole = np.concatenate(pixels)
                    yield Batch(paths[:size], whole[:size], skipped)
                    pixels, paths, skipped = [whole[size:]], paths[size:], []
        if paths or skipped:
            shape = (0, self._channels, self._size, self._size)
            yield Batch(paths, np.concatenate([np.empty(shape, np.uint8), *pixels]), skipped)


class NewRows:
    """New rows of features.

    Args:
        source: The rows.
    """

    def __init__(self, source: FeatureSource) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def batches(self, size: int) -> Generator[Batch]:
        """Batches of rows, none of them skipped.

        Args:
            size: Rows at a time.

        Raises:
            UserError: If a value is not finite.
        """
        listing, done = self._source.paths, 0
        for block in self._source.blocks():
            for start in range(0, len(block), size):
                rows = block[start : start + size]
                yield Batch(list(listing[done : done + len(rows)]), rows, [])
                done += len(rows)


def open_new_images(new: New, size: int, channels: int) -> NewImages:
    """Open images that a run has not seen; decodes nothing.

    Args:
        new: A folder, a zip, a list, an array file or a data set's name, as a run takes them; one
            image file, or a sequence of them; or an array [N, H, W] or [N, H, W, C].
        size: Side S in pixels at which the run's images are kept.
        channels: Their channels C.

    Raises:
        UserError: If there are no such images.
    """
    return NewImages(_image_source(new), size, channels)


def open_new_rows(new: New, dim: int) -> NewRows:
    """Open rows of features that a run has not seen.

    Args:
        new: What the run's own features may be: the name of a file or folder; or a matrix [N, D].
        dim: D of the run's features.

    Raises:
        UserError: If there is no such matrix, or it has other columns.
    """
    if isinstance(new, np.ndarray):
        source = FeatureSource("the array", [ArrayFile("the array", new)])
    elif isinstance(new, str | Path):
        source = open_features(str(new))
    else:
        raise UserError("the features must be one matrix, in memory or in a file (got several)")
    if source.shape[1] != dim:
        raise UserError(
            f"'{source.name}' must have {dim} columns, as the features of the run (got "
            f"{source.shape[1]})"
        )
    return NewRows(source)


def _image_source(new: New) -> ImageSource:
    if isinstance(new, np.ndarray):
        return ArraySource("the array", new)
    if not isinstance(new, str | Path):
        return _files([str(path) for path in new])
    path = user_path(new)
    if path.suffix.lower() in SUFFIXES and not path.is_dir() and path_exists(path):
        return _files([str(new)])
    return open_source(DataConfig(str(new)))


def _files(paths: Sequence[str]) -> FileSource:
    if not paths:
        raise UserError("there are no images: the list of paths is empty")
    return FileSource("the list", Path(), [str(user_path(path)) for path in paths])
