"""Feature rows on the disk: written once, read in runs or at random."""

import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iciclegcn.nn.disk_space import NoRoomError


class DiskRows:
    """A float32 matrix in a file without a name, which vanishes with the process however it ends.

    Runs of rows are read into memory of their own, so that no mapped page counts towards the
    process; the operating system keeps what it has room for.

    Args:
        blocks: The rows in order, each block [M, F] on the CPU.
        width: F.
        folder: Where the file is made; None: the system's folder for temporary files.
        device: Where rows are handed out.

    Raises:
        NoRoomError: If the disk is full.
    """

    def __init__(
        self,
        blocks: Iterable[Tensor],
        width: int,
        *,
        folder: Path | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.width = width
        self.device = torch.device(device)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the rows
        weakref.finalize(self, self._file.close)
        for block in blocks:
            self._write(np.ascontiguousarray(block.numpy(), np.float32), folder)
        self._num_rows = self._file.tell() // (4 * width)

    def _write(self, rows: NDArray[np.float32], folder: Path | None) -> None:
        try:
            self._file.write(rows.data)
            self._file.flush()
        except OSError as error:
            place, remedy = folder, "make room there"
            if folder is None:
                place, remedy = Path(tempfile.gettempdir()), "set TMPDIR to a folder with room"
            raise NoRoomError(
                f"cannot write rows of {self.width} features to '{place}' "
                f"({error.strerror or error}); {remedy}"
            ) from error

    def __len__(self) -> int:
        """Number of rows."""
        return self._num_rows

    @overload
    def __getitem__(self, rows: slice, /) -> Tensor: ...
    @overload
    def __getitem__(self, rows: Tensor, /) -> Tensor: ...
    def __getitem__(self, rows: slice | Tensor, /) -> Tensor:
        """A run of rows, or the rows of some numbers [M]: float32 [M, F] on the device."""
        if isinstance(rows, Tensor):
            return self.mapped()[rows.cpu()].to(self.device)
        start, stop, _ = rows.indices(len(self))
        return self.runs([slice(start, stop)])

    def runs(self, spans: Iterable[slice]) -> Tensor:
        """Several runs of rows, one after the other [M, F], on the device."""
        spans = list(spans)
        height = sum(span.stop - span.start for span in spans)
        rows = torch.empty(height, self.width)
        view, done = rows.numpy().reshape(-1).data.cast("B"), 0
        for span in spans:
            end = done + 4 * self.width * (span.stop - span.start)
            self._file.seek(4 * self.width * span.start)
            self._file.readinto(view[done:end])
            done = end
        return rows.to(self.device)

    def mapped(self) -> Tensor:
        """All rows [N, F], mapped into memory rather than read; they must not be changed."""
        # Copy on write: torch warns of memory that cannot be written.
        shape = (len(self), self.width)
        return torch.from_numpy(np.memmap(self._file, np.float32, "c", shape=shape))


def mapped_rows(file: Path) -> NDArray[np.float32]:
    """A ``.npy`` file of features, mapped into memory rather than read; changes do not reach it."""
    rows: NDArray[np.float32] = np.load(file, mmap_mode="c", allow_pickle=False)
    return rows
