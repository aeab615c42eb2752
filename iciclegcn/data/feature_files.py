"""Files that hold a matrix: NumPy's, and Parquet with pyarrow."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from iciclegcn.data.base import path_exists, printable
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError

Block = npt.NDArray[np.float32]

SUFFIXES = (".npy", ".npz", ".parquet")
_NAME_COLUMNS = ("path", "id", "name")


class MatrixFile(Protocol):
    """A file with a matrix in it.

    Attributes:
        name: Where it is, for messages.
        shape: (n, D).
    """

    name: str
    shape: tuple[int, int]

    def blocks(self, height: int) -> Iterator[Block]:
        """All rows in order, at most ``height`` at a time, as float32."""

    def row_names(self) -> list[str] | None:
        """What the file calls its rows; None: nothing."""


class ArrayFile:
    """A matrix in a ``.npy`` or ``.npz`` file, or in memory.

    Args:
        name: Where it is, for messages.
        matrix: Real numbers [n, D]; a ``.npy`` file's is mapped into memory.

    Raises:
        UserError: If it is no matrix of real numbers.
    """

    def __init__(self, name: str, matrix: npt.NDArray[Any]) -> None:
        if matrix.ndim != 2 or matrix.shape[1] == 0:
            raise UserError(
                f"'{name}' must hold a matrix [N, D], one row an item (got shape {matrix.shape})"
            )
        if matrix.dtype.kind not in "buif":
            raise UserError(f"'{name}' must hold real numbers (got {matrix.dtype})")
        self.name = name
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        self._matrix = matrix

    def blocks(self, height: int) -> Iterator[Block]:
        for start in range(0, self.shape[0], height):
            with np.errstate(over="ignore"):  # infinite then, which the reader refuses
                yield np.ascontiguousarray(self._matrix[start : start + height], np.float32)

    def row_names(self) -> list[str] | None:
        return None


class ParquetFile:
    """A matrix in a ``.parquet`` file: a column of lists, or all columns of floating numbers.

    Whole numbers are left out: they are rather labels or keys than features.

    Args:
        file: The file.
        column: The column of lists to take; None: the only one.

    Raises:
        UserError: If pyarrow is absent, or there is no such matrix.
    """

    def __init__(self, file: Path, column: str | None) -> None:
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ImportError as error:
            raise UserError(
                f"'{file}' needs the package pyarrow: pip install 'iciclegcn[parquet]'"
            ) from error
        self.name = str(file)
        try:
            self._table = parquet.ParquetFile(file, memory_map=True)
        except (OSError, arrow.ArrowException) as error:
            raise _unreadable(str(file), "Parquet", error) from error
        schema = self._table.schema_arrow
        kinds = {field.name: field.type for field in schema}
        lists = [name for name, kind in kinds.items() if _is_list(arrow.types, kind)]
        floats = [name for name, kind in kinds.items() if arrow.types.is_floating(kind)]
        wanted = [column] if column is not None else lists or floats
        fits = wanted == floats or (len(wanted) == 1 and wanted[0] in lists)
        if not fits or not wanted:
            raise UserError(
                f"'{file}' must have one column of lists of numbers, named as FILE:NAME where "
                f"there are several, or columns of floating numbers (got {', '.join(kinds)})"
            )
        self._columns, self._flat = wanted, wanted == floats
        names = [name for name in _NAME_COLUMNS if name in kinds]
        self._names = names[0] if names and arrow.types.is_string(kinds[names[0]]) else None
        count = int(self._table.metadata.num_rows)
        width = len(floats) if self._flat else next((b.shape[1] for b in self.blocks(1)), 1)
        self.shape = (count, width)

    def blocks(self, height: int) -> Iterator[Block]:
        for batch in self._table.iter_batches(batch_size=height, columns=self._columns):
            if self._flat:
                columns = [_floats(batch.column(name)) for name in self._columns]
                yield np.stack(columns, axis=1)
            else:
                yield self._rows(batch.column(0))

    def row_names(self) -> list[str] | None:
        if self._names is None:
            return None
        column = self._table.read(columns=[self._names]).column(0)
        return [printable(str(name)) for name in column.to_pylist()]

    def _rows(self, lists: Any) -> Block:
        values = _floats(lists.flatten())
        width, rest = divmod(len(values), len(lists)) if len(lists) else (0, 0)
        lengths = {len(row) if row is not None else 0 for row in lists}
        if rest or lengths - {width} or width == 0:
            raise UserError(
                f"'{self.name}' must have lists of one length in '{self._columns[0]}' "
                f"(got lengths from {min(lengths)} to {max(lengths)})"
            )
        return values.reshape(len(lists), width)


def open_matrix_files(source: str) -> list[MatrixFile]:
    """The files of ``source`` in order; see `iciclegcn.data.features.open_features`."""
    path, part = _split(source)
    if not source or not path_exists(path):
        raise UserError(f"the features '{source}' are not there; give a file or a folder of files")
    if not path.is_dir():
        return [_open_file(path, part)]
    files = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"'{source}' holds no files that end in {', '.join(SUFFIXES)}")
    return [_open_file(file, part) for file in files]


def _split(source: str) -> tuple[Path, str | None]:
    """The path of FILE:NAME and the name, where no file is called all of it."""
    path = user_path(source)
    found = re.fullmatch(r"(.+):([^:/\\]+)", source)
    if found is None or path_exists(path):
        return path, None
    return user_path(found[1]), found[2]


def _open_file(file: Path, part: str | None) -> MatrixFile:
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"'{file}' must end in {', '.join(SUFFIXES)} (got '{file.suffix}')")
    if suffix == ".parquet":
        return ParquetFile(file, part)
    try:
        if suffix == ".npz":
            return ArrayFile(str(file), _load_npz(file, part))
        return ArrayFile(str(file), np.lib.format.open_memmap(file, mode="r"))
    except UserError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(str(file), "NumPy", error) from error


def _load_npz(file: Path, part: str | None) -> npt.NDArray[Any]:
    # Opened here: numpy leaves a damaged archive open.
    with file.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        names = [part] if part is not None else archive.files
        arrays = {name: np.asarray(archive[name]) for name in names if name in archive.files}
        known = ", ".join(archive.files) or "none"
    matrices = [array for array in arrays.values() if array.ndim == 2 or part is not None]
    if len(matrices) != 1:
        raise UserError(
            f"'{file}' must hold one matrix, or be given as FILE:NAME (it has the arrays {known})"
        )
    return matrices[0]


def _is_list(types: Any, kind: Any) -> bool:
    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(lists) and bool(
        types.is_floating(kind.value_type) or types.is_integer(kind.value_type)
    )


def _floats(column: Any) -> Block:
    """Values in float32; what is missing becomes NaN."""
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float32)


def _unreadable(name: str, kind: str, error: Exception) -> UserError:
    return UserError(f"'{name}' is not a readable {kind} file ({error}); write it again")
