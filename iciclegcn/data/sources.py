"""From what the user typed to a source of images."""

import difflib
from pathlib import Path

from iciclegcn.config import DataConfig
from iciclegcn.data.archives import ZipSource
from iciclegcn.data.arrays import open_array
from iciclegcn.data.base import ImageSource, Source, path_exists
from iciclegcn.data.features import open_features
from iciclegcn.data.files import open_folder, open_list
from iciclegcn.data.named import NAMED, closest_name, find_named
from iciclegcn.data.named_sources import open_named
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError

__all__ = ["ImageSource", "Source", "open_listing", "open_source"]

_LISTS = (".txt", ".csv", ".tsv", ".lst")


def open_listing(config: DataConfig) -> Source:
    """List what a run clusters: the rows of a matrix, or images as `open_source` does.

    Raises:
        UserError: If there is no such source, or nothing in it.
    """
    if config.kind == "features":
        return open_features(config.source)
    return open_source(config)


def open_source(config: DataConfig) -> ImageSource:
    """List the images of ``config.source``; decodes nothing.

    ``source`` is a name (``digits``, or ``cifar10:ROOT`` for a set whose files are under ROOT), a
    folder, a ``.zip``, a list of paths (``.txt``, ``.csv``) or an array (``.npy``, ``.npz``). A
    known name is the data set even where a folder is called the same: ``./digits`` is the folder.

    Raises:
        UserError: If there is no such source, or no image in it.
    """
    source = config.source
    dataset = find_named(source)
    if dataset is not None:
        return open_named(dataset, source)
    path = user_path(source)
    suffix = path.suffix.lower()
    # An empty text would be the folder we are in.
    if not source or not path_exists(path):
        raise UserError(f"'{source}' is neither a path nor a data set's name{_suggestion(source)}")
    if path.is_dir():
        return open_folder(source, path)
    if suffix == ".zip":
        return ZipSource(source, path)
    if suffix in (".npy", ".npz"):
        return open_array(source, path)
    if suffix in _LISTS:
        return open_list(source, path)
    raise UserError(
        f"'{source}' must be a folder, a .zip, a list (.txt, .csv) or an array (.npy, .npz) "
        f"(got a file ending in '{path.suffix}'); for single images give their folder"
    )


def _suggestion(source: str) -> str:
    name = closest_name(source)
    if name is not None:
        return f"; did you mean '{name}'?"
    parent = user_path(source).parent
    try:
        neighbours = [entry.name for entry in parent.iterdir()]
    except OSError:
        neighbours = []
    close = difflib.get_close_matches(Path(source).name, neighbours, n=1)
    if close:
        return f"; did you mean '{parent / close[0]}'?"
    return f"; the names are {', '.join(NAMED)}"
