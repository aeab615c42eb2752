"""The images that methods are compared on, in the same order and with the same truth for all."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.cifar10 import draw
from iciclegcn.config import DataConfig
from iciclegcn.data.labels import read_labels
from iciclegcn.data.named import find_named
from iciclegcn.data.sources import open_source

CIFAR_IMAGES = 10_000
# Minutes of training and seeds of every data set.
DEFAULTS = {"digits": (2.0, 5), "mnist5k": (4.0, 3), "cifar10_10k": (8.0, 3)}


class BenchmarkData(NamedTuple):
    """Images and their truth.

    Attributes:
        name: Of the result files.
        arguments: What tells `iciclegcn run` of them.
        images: uint8 [N, C, S, S].
        y: int64 [N].
        num_clusters: K.
    """

    name: str
    arguments: tuple[str, ...]
    images: np.ndarray
    y: np.ndarray
    num_clusters: int


def data_name(source: str) -> str:
    """What a source's results are called: a named set's name, or that of the CIFAR-10 sample."""
    return source if find_named(source) else "cifar10_10k"


def open_data(source: str, folder: Path) -> BenchmarkData:
    """Read the images and their truth.

    Args:
        source: ``digits``, ``mnist5k``, or a folder or zip of CIFAR-10's classes, of which 10,000
            images are drawn with a fixed seed.
        folder: Where the drawn images are kept.
    """
    named = find_named(source)
    if named is None:
        folder.mkdir(parents=True, exist_ok=True)
        array, labels, y = draw(source, CIFAR_IMAGES, folder)
        images = np.load(array).transpose(0, 3, 1, 2)
        arguments = (array, "--num-clusters", "10", *labels)
        return BenchmarkData("cifar10_10k", arguments, images, y, 10)
    config = DataConfig(source)
    opened = open_source(config)
    truth = read_labels(opened, config, np.arange(len(opened.paths)))
    if truth is None:
        raise ValueError(f"'source' must be data whose truth is known (got {source!r})")
    sides = named.image_size, named.channels
    images = np.stack([opened.read(row, *sides) for row in range(len(opened.paths))])
    return BenchmarkData(source, (source,), images, truth.y, named.num_clusters)


def pixel_rows(images: np.ndarray) -> np.ndarray:
    """Images as rows of pixel values in [0, 1], float32 [N, C*S*S]."""
    return images.reshape(len(images), -1).astype(np.float32) / 255
