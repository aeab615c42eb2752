"""Files that hold a matrix: NumPy's, and Parquet with pyarrow."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from iciclegcn.data.base import path_exists, printable
from iciclegcn.data.numpy_files import DAMAGE, opened_npz
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError

Block = npt.NDArray[np.float32]

SUFFIXES = (".npy", ".npz", ".parquet")
_NAME_COLUMNS = ("path", "id", "name")
# Truth is no feature, whatever numbers it is written in.
_TRUTH_COLUMNS = {"label", "labels", "target", "targets", "class", "classes", "truth"}


class MatrixFile(Protocol):
    """A file with a matrix in it.

    Attributes:
        name: Where it is, for messages.
        shape: (n, D).
        note: What its user should know of what was taken; None: nothing.
    """

    name: str
    shape: tuple[int, int]
    note: str | None

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

    note: str | None = None

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

    Whole numbers are left out, which are rather labels or keys than features, and so are columns
    whose name says that they are the truth.

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
        floats = [
            name
            for name, kind in kinds.items()
            if arrow.types.is_floating(kind) and name.lower() not in _TRUTH_COLUMNS
        ]
        wanted = [column] if column is not None else lists or floats
        fits = wanted == floats or (len(wanted) == 1 and wanted[0] in lists)
        if not fits or not wanted:
            raise UserError(
                f"'{file}' must have one column of lists of numbers, named as FILE:NAME where "
                f"there are several, or columns of floating numbers (got {', '.join(kinds)})"
            )
        self._columns, self._flat = wanted, wanted == floats
        self.note = _taken(self.name, floats, kinds) if self._flat else None
        names = [name for name in _NAME_COLUMNS if name in kinds]
        self._names = names[0] if names and _is_text(arrow.types, kinds[names[0]]) else None
        self._damage = (OSError, arrow.ArrowException)
        count = int(self._table.metadata.num_rows)
        width = len(floats) if self._flat else next((b.shape[1] for b in self.blocks(1)), 1)
        self.shape = (count, width)

    def blocks(self, height: int) -> Iterator[Block]:
        batches = self._table.iter_batches(batch_size=height, columns=self._columns)
        first = 0
        while (batch := self._read(lambda: next(batches, None))) is not None:
            if self._flat:
                columns = [_floats(batch.column(name)) for name in self._columns]
                yield np.stack(columns, axis=1)
            else:
                yield self._rows(batch.column(0), first)
            first += len(batch)

    def row_names(self) -> list[str] | None:
        if self._names is None:
            return None
        column = self._read(lambda: self._table.read(columns=[self._names])).column(0)
        return [printable(str(name)) for name in column.to_pylist()]

    def _read(self, work: Callable[[], Any]) -> Any:
        """A file's foot can be whole and its pages damaged."""
        try:
            return work()
        except self._damage as error:
            raise _unreadable(self.name, "Parquet", error) from error

    def _rows(self, lists: Any, first: int) -> Block:
        column = self._columns[0]
        if lists.null_count:
            missing = first + int(np.flatnonzero(lists.is_null().to_numpy(False))[0])
            raise UserError(
                f"'{self.name}' has no list in '{column}' of row {missing}; fill it or leave the "
                "row out"
            )
        values = _floats(lists.flatten())
        width, rest = divmod(len(values), len(lists)) if len(lists) else (0, 0)
        lengths = {len(row) for row in lists}
        if rest or lengths - {width} or width == 0:
            raise UserError(
                f"'{self.name}' must have lists of one length in '{column}' "
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
    except DAMAGE as error:
        raise _unreadable(str(file), "NumPy", error) from error


def _load_npz(file: Path, part: str | None) -> npt.NDArray[Any]:
    with opened_npz(file) as archive:
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


def _is_text(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    is_view = getattr(types, "is_string_view", None)  # from pyarrow 16 on
    text = types.is_string(kind) or types.is_large_string(kind)
    return bool(text or (is_view is not None and is_view(kind)))


def _taken(name: str, floats: Sequence[str], kinds: Iterable[str]) -> str:
    """Which columns are features, and which are not."""
    first = floats[0] if len(floats) == 1 else f"{floats[0]} to {floats[-1]}"
    other = [column for column in kinds if column not in floats]
    left = f"; left out: {', '.join(other[:10])}{', ...' * (len(other) > 10)}" if other else ""
    return f"'{name}': {len(floats):,} columns are the features, {first}{left}"


def _floats(column: Any) -> Block:
    """Values in float32; what is missing becomes NaN."""
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float32)


def _unreadable(name: str, kind: str, error: Exception) -> UserError:
    return UserError(f"'{name}' is not a readable {kind} file ({error}); write it again")
