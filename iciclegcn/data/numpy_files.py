"""What NumPy's files have in common, whatever they hold."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

# What reading a damaged file, or one that is something else, raises.
DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


@contextlib.contextmanager
def opened_npz(file: Path) -> Iterator[NpzFile]:
    """The arrays of a ``.npz`` file by name, each read when it is asked for; no Python objects.

    Raises:
        ValueError: If it holds something else; other damage raises the rest of `DAMAGE`.
    """
    with file.open("rb") as stream:  # opened here: numpy leaves a damaged archive open
        archive = np.load(stream, allow_pickle=False)
        if not isinstance(archive, NpzFile):
            raise ValueError("a bare array, which belongs in a .npy file")
        yield archive
