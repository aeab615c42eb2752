"""Where a run's images are, when it is opened from another folder than it was begun in."""

import dataclasses
import os
from pathlib import Path

from iciclegcn.config import DataConfig
from iciclegcn.data.base import path_exists
from iciclegcn.data.named import find_named
from iciclegcn.data.user_paths import user_path


def located(data: DataConfig, directory: str | None) -> DataConfig:
    """The same data, found from any working directory.

    Args:
        data: As the configuration of a run has it: paths as they were typed.
        directory: Where they were typed; None: an earlier version did not write it down.

    Returns:
        ``data`` with the relative paths that lead somewhere from ``directory`` made absolute;
        in ``directory`` itself, and where they lead nowhere, they stay as typed.
    """
    if directory is None or Path.cwd() == Path(directory):
        return data
    labels = None if data.labels is None else _located(data.labels, directory)
    return dataclasses.replace(data, source=_source(data.source, directory), labels=labels)


def typed_in(text: str, directory: str | None) -> str:
    """A path typed here, as it has to be typed in ``directory`` to mean the same."""
    if directory is None or Path.cwd() == Path(directory):
        return text
    return str(Path.cwd() / user_path(text))


def same_place(first: str, second: str) -> bool:
    """Whether two sources, typed here, are one."""
    return _absolute(first) == _absolute(second)


def _absolute(source: str) -> str:
    name, colon, root = source.partition(":")
    if find_named(source) is not None:
        return f"{name}:{_absolute(root)}" if colon else source
    return os.path.normpath(Path.cwd() / user_path(source))


def _source(source: str, directory: str) -> str:
    if find_named(source) is None:
        return _located(source, directory)
    name, colon, root = source.partition(":")
    return f"{name}:{_located(root, directory)}" if colon else source


def _located(text: str, directory: str) -> str:
    if user_path(text).is_absolute():
        return text
    there = os.path.normpath(Path(directory) / text)
    # FILE:NAME is one of the arrays of a file.
    found = path_exists(Path(there)) or path_exists(Path(there.rpartition(":")[0] or there))
    return there if found else text
