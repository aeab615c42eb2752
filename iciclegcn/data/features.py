"""Features from elsewhere: a matrix in a ``.npy`` or ``.npz`` file, read block by block."""

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iciclegcn.data.base import Source, path_exists
from iciclegcn.errors import UserError

Block = npt.NDArray[np.float32]

_BLOCK_BYTES = 2**25


class FeatureSource(Source):
    """A matrix of features, one row an item; never held as a whole unless its file demands it.

    Args:
        name: What the user typed.
        matrix: Real numbers [N, D], in memory or mapped.

    Attributes:
        shape: (N, D).

    Raises:
        UserError: If it is no matrix of real numbers.
    """

    def __init__(self, name: str, matrix: npt.NDArray[np.generic]) -> None:
        _check_matrix(name, matrix.shape, matrix.dtype)
        self.name = name
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        self._matrix = matrix
        self._paths = [str(index) for index in range(len(matrix))]

    @property
    def paths(self) -> Sequence[str]:
        return self._paths

    def blocks(self) -> Iterator[Block]:
        """All rows in order, some at a time, as float32 [n, D].

        Raises:
            UserError: If a value is not finite in float32; names the first such row.
        """
        height = max(1, _BLOCK_BYTES // (4 * self.shape[1]))
        for start in range(0, self.shape[0], height):
            with np.errstate(over="ignore"):
                rows = np.ascontiguousarray(self._matrix[start : start + height], np.float32)
            wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
            if len(wrong):
                raise UserError(
                    f"'{self.name}' must be finite in float32 (row {start + wrong[0]} holds NaN, "
                    "infinity or a number too large); mend or drop such rows"
                )
            yield rows

    def content_hash(self) -> str:
        """SHA-256 of the shape and of every value in float32."""
        digest = hashlib.sha256(f"features {self.shape}".encode())
        for rows in self.blocks():
            digest.update(rows.data)
        return digest.hexdigest()


def open_features(source: str) -> FeatureSource:
    """Open a matrix of features; reads its header alone where the file can be mapped.

    Args:
        source: A ``.npy`` file, or a ``.npz`` file with one matrix.

    Raises:
        UserError: If the file is absent, damaged or holds something else.
    """
    path = Path(source).expanduser()
    if not source or not path_exists(path):
        raise UserError(f"the features '{source}' are not there; give a file")
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        raise UserError(f"'{source}' must end in .npy or .npz (got '{path.suffix}')")
    try:
        matrix = _load_npz(path) if suffix == ".npz" else np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"'{source}' is not a readable NumPy array file ({error}); write it again with "
            "numpy.save"
        ) from error
    return FeatureSource(source, matrix)


def _load_npz(file: Path) -> npt.NDArray[np.generic]:
    with np.load(file, allow_pickle=False) as archive:
        if len(archive.files) != 1:
            raise ValueError(f"it holds the arrays {', '.join(archive.files) or '(none)'}")
        matrix: npt.NDArray[np.generic] = archive[archive.files[0]]
        return matrix


def _check_matrix(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if len(shape) != 2 or 0 in shape:
        raise UserError(f"'{name}' must hold a matrix [N, D], one row an item (got shape {shape})")
    if dtype.kind not in "buif":
        raise UserError(f"'{name}' must hold real numbers (got {dtype})")
