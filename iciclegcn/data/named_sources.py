"""Open the data sets known by name."""

import numpy as np

from iciclegcn.data.arrays import ArraySource
from iciclegcn.data.base import ImageSource
from iciclegcn.data.named import NamedDataset
from iciclegcn.errors import UserError


def open_named(dataset: NamedDataset, source: str) -> ImageSource:
    """Open one of `iciclegcn.data.named.NAMED`.

    Args:
        dataset: Which.
        source: What the user typed: its name, or ``name:ROOT``.

    Raises:
        UserError: If its files are missing and cannot be downloaded, or a package is missing.
    """
    if dataset.folder is None and ":" in source:
        raise UserError(f"'{dataset.name}' comes with a package and takes no folder: drop ':...'")
    if dataset.name == "digits":
        return _digits(dataset)
    raise UserError(f"'{dataset.name}' is not there")


def _digits(dataset: NamedDataset) -> ArraySource:
    from sklearn.datasets import load_digits  # heavy: only when asked for

    grey = load_digits().images  # [1797, 8, 8], values 0 to 16
    return ArraySource("digits", np.rint(grey * (255 / 16)).astype(np.uint8), dataset=dataset)
