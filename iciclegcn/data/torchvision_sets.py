"""CIFAR-10, CIFAR-100 and STL-10 through torchvision's own loaders and downloads."""

import contextlib
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.data.base import ImageSource, hash_rows
from iciclegcn.data.decode import Pixels, decode_array
from iciclegcn.data.named import NamedDataset
from iciclegcn.errors import UserError

_CLASSES = {
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "stl10": "STL10",
    "stl10-unlabelled": "STL10",
}


class _Split(NamedTuple):
    name: str
    images: Pixels  # [N, H, W, 3]


class TorchvisionSource(ImageSource):
    """The images of one of torchvision's data sets, those of its splits one after another.

    The arrays are loaded when first read and let go by `release`.

    Args:
        dataset: ``cifar10``, ``cifar100``, ``stl10`` or ``stl10-unlabelled``.
        root: The folder with ``dataset.folder`` in it; downloaded to where that is absent.

    Raises:
        UserError: If the files are absent and the download fails.
    """

    native_channels = 3

    def __init__(self, dataset: NamedDataset, root: Path) -> None:
        self.name = dataset.name
        self.dataset = dataset
        self._names = dataset.splits
        self.native_size = dataset.image_size
        self._folder = str(dataset.folder)
        self.root = find_root(dataset, root)
        self._splits: list[_Split] | None = None
        self._paths: list[str] | None = None

    @property
    def paths(self) -> Sequence[str]:
        if self._paths is None:
            self._paths = [
                f"{split.name}/{row}" for split in self._load() for row in range(len(split.images))
            ]
        return self._paths

    def fingerprint(self) -> str:
        folder = self.root / self._folder
        files = sorted(file for file in folder.iterdir() if file.is_file())
        stats = [(file, file.stat()) for file in files]
        rows = [(file, info.st_size, info.st_mtime_ns) for file, info in stats]
        return hash_rows(self.name, rows)

    def read(self, index: int, size: int, channels: int) -> Pixels:
        for split in self._load():
            if index < len(split.images):
                return decode_array(split.images[index], size, channels)
            index -= len(split.images)
        raise IndexError(f"'index' is past the last image by {index + 1}")

    def release(self) -> None:
        self._splits = None

    def _load(self) -> list[_Split]:
        if self._splits is None:
            self._splits = [
                _Split(name, self._channels_last(_open(self.name, self.root, name).data))
                for name in self._names
            ]
        return self._splits

    def _channels_last(self, images: Pixels) -> Pixels:
        return images.transpose(0, 2, 3, 1) if _is_stl10(self.name) else images


def read_truth(dataset: NamedDataset, root: Path) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Classes y int64 [N] in `TorchvisionSource`'s order, and their names.

    CIFAR-100 is scored on its own 20 coarse labels.
    """
    opened = [_open(dataset.name, root, split) for split in dataset.splits]
    if dataset.name == "cifar100":
        return _coarse_truth(root / str(dataset.folder), dataset.splits)
    rows = [one.labels if _is_stl10(dataset.name) else one.targets for one in opened]
    y = np.concatenate([np.asarray(labels, np.int64) for labels in rows])
    return y, [str(name) for name in opened[0].classes]


def find_root(dataset: NamedDataset, root: Path) -> Path:
    """The folder that holds ``dataset.folder``, downloaded where it is absent.

    Raises:
        UserError: If the download fails.
    """
    folder = str(dataset.folder)
    if root.name == folder and root.is_dir():
        return root.parent
    if not (root / folder).is_dir():
        _open(dataset.name, root, dataset.splits[0], download=True)
    return root


def _open(name: str, root: Path, split: str, *, download: bool = False) -> Any:
    import torchvision.datasets  # heavy: only when asked for

    loader = getattr(torchvision.datasets, _CLASSES[name])
    chosen = {"split": split} if _is_stl10(name) else {"train": split == "train"}
    folder = root / loader.base_folder
    try:
        # Some releases print about their download, and stdout is for results.
        with contextlib.redirect_stdout(sys.stderr):
            return loader(str(root), download=download, **chosen)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        if download:
            raise UserError(
                f"'{name}' is not in '{folder}' and cannot be downloaded ({error}); unpack "
                f"{loader.url} into '{root}', or give the folder that holds it as {name}:FOLDER"
            ) from error
        raise UserError(
            f"the files of '{name}' in '{folder}' are incomplete or damaged ({error}); remove that "
            "folder to download them again"
        ) from error


def _is_stl10(name: str) -> bool:
    return _CLASSES[name] == "STL10"


def _coarse_truth(folder: Path, splits: Sequence[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    # torchvision gives the 100 fine labels only; it has verified these files' checksums by now.
    tables = {}
    for name in (*splits, "meta"):
        with (folder / name).open("rb") as file:
            tables[name] = pickle.load(file, encoding="latin1")
    y = np.concatenate([np.asarray(tables[s]["coarse_labels"], np.int64) for s in splits])
    return y, [str(name) for name in tables["meta"]["coarse_label_names"]]
