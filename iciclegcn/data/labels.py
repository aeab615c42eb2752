"""The truth, for evaluation only; nothing that trains imports this module."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.config import DataConfig
from iciclegcn.data.base import ImageSource
from iciclegcn.errors import UserError

_SPLITS = frozenset({"train", "test", "val", "valid", "validation"})


class Labels(NamedTuple):
    """The truth of every kept image.

    Attributes:
        y: Class of each row, int64 [N].
        class_names: Name of each class.
    """

    y: npt.NDArray[np.int64]
    class_names: list[str]


def read_labels(
    source: ImageSource, config: DataConfig, kept: npt.NDArray[np.int64]
) -> Labels | None:
    if config.labels_from_folders:
        return _encode(folder_classes(source.name, source.paths), kept)
    if source.dataset is not None and source.dataset.name == "digits":
        from sklearn.datasets import load_digits

        return Labels(load_digits().target.astype(np.int64)[kept], [str(n) for n in range(10)])
    return None


def _encode(classes: Sequence[str], kept: npt.NDArray[np.int64]) -> Labels:
    rows = [classes[index] for index in kept]
    names = sorted(set(rows))
    number = {name: position for position, name in enumerate(names)}
    return Labels(np.array([number[row] for row in rows], np.int64), names)


def folder_classes(name: str, paths: Sequence[str]) -> list[str]:
    """The class that each path's folders name.

    Folders that all images share at the top are stripped. If the first level is then only
    ``train``, ``test``, ``val``, ``valid`` or ``validation`` and every image lies deeper, it is a
    split, and the class is the level below; otherwise the first level is the class.
    """
    folders = [_folders(path) for path in paths]
    while all(parts for parts in folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    if all(len(parts) > 1 and parts[0].lower() in _SPLITS for parts in folders):
        folders = [parts[1:] for parts in folders]
    outside = [path for path, parts in zip(paths, folders, strict=True) if not parts]
    if outside:
        raise UserError(
            f"--labels-from-folders needs every image of '{name}' in a class folder: "
            f"{len(outside)} of {len(paths)} are in none, for example '{outside[0]}'"
        )
    return [parts[0] for parts in folders]


def _folders(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.replace("\\", "/").split("/")[:-1] if part not in ("", "."))
