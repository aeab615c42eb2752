"""A run folder for one process alone: made or found, locked, rid of what a killed one left."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from iciclegcn.errors import UserError
from iciclegcn.run_folder.files import LOCK, FolderLock, is_leftover, remove_leftovers

MANIFEST = "manifest.json"


@contextlib.contextmanager
def closing_on_error(lock: FolderLock) -> Iterator[FolderLock]:
    """Let others in if the block does not end well."""
    try:
        yield lock
    except BaseException:
        lock.close()
        raise


def lock_folder(path: Path, *, make: bool) -> FolderLock:
    """Keep other processes out of a run folder, and remove their unfinished files.

    Args:
        path: The folder of a run, or an empty one.
        make: Make it where it is not there.

    Raises:
        UserError: If it is a file, holds something else, cannot be made or is in use.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"'{path}' is a file; give a folder as --out")
    if path.is_dir():
        names = {entry.name for entry in path.iterdir() if not is_leftover(entry.name)}
        if names - {LOCK} and MANIFEST not in names:
            raise UserError(f"'{path}' holds other files and no run; give another --out")
    try:
        if make:
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make '{path}': {error.strerror or error}") from error
    lock = FolderLock(path / LOCK)
    remove_leftovers(path)
    return lock
