"""Features from elsewhere: a matrix in one file or several, read block by block."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from iciclegcn.data.base import Source
from iciclegcn.data.feature_files import Block, MatrixFile, open_matrix_files
from iciclegcn.errors import UserError

_BLOCK_BYTES = 2**25


class FeatureSource(Source):
    """A matrix of features, one row an item; never held as a whole unless its file demands it.

    Args:
        name: What the user typed.
        files: Where it is; their rows follow each other.

    Attributes:
        shape: (N, D).

    Raises:
        UserError: If the files differ in width, or there is no row.
    """

    def __init__(self, name: str, files: Sequence[MatrixFile]) -> None:
        widths = {file.shape[1]: file.name for file in files}
        if len(widths) > 1:
            told = " and ".join(f"{width} in '{file}'" for width, file in widths.items())
            raise UserError(f"the files of '{name}' must have rows of one length (got {told})")
        num_rows = sum(file.shape[0] for file in files)
        if num_rows == 0:
            raise UserError(f"'{name}' holds no rows")
        self.name = name
        self.shape = (num_rows, next(iter(widths)))
        self._files = files
        self._paths: list[str] | None = None

    @property
    def paths(self) -> Sequence[str]:
        """The names that the files give their rows, if all do, else the numbers of the rows."""
        if self._paths is None:
            named = [file.row_names() for file in self._files]
            known = [names for names in named if names is not None]
            whole = len(known) == len(named)
            joined = [name for names in known for name in names] if whole else []
            self._paths = joined or [str(index) for index in range(len(self))]
        return self._paths

    @property
    def notes(self) -> list[str]:
        """What its user should know of what was taken for features."""
        return [file.note for file in self._files if file.note is not None]

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self) -> Iterator[Block]:
        """All rows in order, some at a time, as float32 [n, D].

        Raises:
            UserError: If a value is not finite in float32; names the first such row.
        """
        height, done = max(1, _BLOCK_BYTES // (4 * self.shape[1])), 0
        for file in self._files:
            for rows in file.blocks(height):
                wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
                if len(wrong):
                    raise UserError(
                        f"'{self.name}' must be finite in float32 (row {done + wrong[0]} holds "
                        "NaN, infinity or a number too large); mend or drop such rows"
                    )
                yield rows
                done += len(rows)

    def content_hash(self) -> str:
        """SHA-256 of the shape, of every value in float32 and of the rows' names."""
        digest = hashlib.sha256(f"features {self.shape}".encode())
        for rows in self.blocks():
            digest.update(np.ascontiguousarray(rows).data)
        digest.update("\n".join(self.paths).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def open_features(source: str) -> FeatureSource:
    """Open a matrix of features; reads no more than headers where files can be mapped.

    Args:
        source: A ``.npy``, ``.npz`` or ``.parquet`` file, ``FILE:NAME`` for one array or column
            of several, or a folder of such files, taken in the order of their names.

    Raises:
        UserError: If a file is absent, damaged or holds something else.
    """
    return FeatureSource(source, open_matrix_files(source))
