"""Finished tiny runs for tests of what comes after them; nothing here is trained for long."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from iciclegcn.pipeline import run
from tests.tiny_run import NUM_IMAGES, tiny_config, tiny_gcc, write_images


def icicle_run(folder: Path, **changes: object) -> Path:
    """An IcicleGCN run on the first digits; ``changes`` as for `tiny_config`."""
    config = tiny_config(write_images(folder / "images.npy"), **changes)
    return run(config, folder / "run", until="cluster")


def gcc_run(folder: Path) -> Path:
    """A GCC run on the first digits."""
    return run(tiny_gcc(write_images(folder / "images.npy")), folder / "run", until="assign")


def new_digits(count: int = 12) -> np.ndarray:
    """Digits that those runs have not seen, uint8 [n, 8, 8]."""
    images = load_digits().images[NUM_IMAGES : NUM_IMAGES + count]
    pixels: np.ndarray = np.rint(images * (255 / 16)).astype(np.uint8)
    return pixels


def features_run(folder: Path, x: np.ndarray, **changes: object) -> Path:
    """An IcicleGCN run on given features [N, D]."""
    np.save(folder / "x.npy", x)
    config = tiny_config(folder / "x.npy", data__kind="features", encode__epochs=2, **changes)
    return run(config, folder / "run", until="cluster")
