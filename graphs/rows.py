"""Feature rows, wherever they are: checked once, then read block by block as float32."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Matrix: TypeAlias = Tensor | NDArray[np.floating] | str | Path
Selection: TypeAlias = slice | NDArray[np.int64]

_BLOCK_BYTES = 2**25
_FINGERPRINT_ROWS = 256
METRICS = ("l2", "cosine")


class Frame(NamedTuple):
    """Where candidates are searched: rows are scaled, then shifted.

    Distances ignore a shift and follow a scale: small norms keep the search's rounding small, and a
    power of two rounds nothing.

    Attributes:
        scale: A power of two that takes the largest entry to about 1.
        center: Mean of the scaled rows, float32 [D].
    """

    scale: np.float32
    center: NDArray[np.float32]

    def scaled(self, plain: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows [n, D] times the scale."""
        return np.multiply(plain, self.scale)

    def centered(self, plain: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows [n, D] in the frame, C-contiguous."""
        rows = self.scaled(plain)
        rows -= self.center
        return np.ascontiguousarray(rows)


class Rows:
    """A matrix of finite features that is never copied as a whole.

    Args:
        x: Features [N, D]: an array or tensor of any floating dtype on any device, a
            ``np.memmap``, or the path of an .npy file, which is then mapped.
        metric: ``l2``, or ``cosine``: rows are scaled to norm 1 as they are read.
        frame: The frame of other rows, which these are compared with; None: these rows' own.

    Attributes:
        num_rows: N.
        dim: D.
        frame: See `Frame`.
        largest: The largest entry in size.
        direct: The float32 matrix itself where it can be read as it is, else None.

    Raises:
        ValueError: If x is no matrix of values finite in float32, or a row is zero under
            ``cosine``; the rows are named.
    """

    def __init__(self, x: Matrix, metric: str, frame: Frame | None = None) -> None:
        if metric not in METRICS:
            raise ValueError(f"'metric' must be {' or '.join(METRICS)} (got {metric!r})")
        self._x = _opened(x)
        self._unit = metric == "cosine"
        if self._x.ndim != 2 or self._x.shape[1] == 0:
            raise ValueError(f"'x' must be a matrix [N, D] (got shape {tuple(self._x.shape)})")
        self.metric = metric
        self.num_rows, self.dim = (int(size) for size in self._x.shape)
        self.direct = _direct(self._x) if not self._unit else None
        own, self.largest = self._scan()
        self.frame = own if frame is None else frame

    def plain(self, selection: Selection) -> NDArray[np.float32]:
        """Rows of a slice or of row numbers, float32 [n, D]; of norm 1 under ``cosine``."""
        rows = self._read(selection)
        return _unit_rows(rows) if self._unit else rows

    def centered(self, selection: Selection) -> NDArray[np.float32]:
        """The same in the frame, float32 [n, D], C-contiguous."""
        return self.frame.centered(self.plain(selection))

    def blocks(self, size: int | None = None) -> Iterator[slice]:
        """Slices that cover all rows, of ``size`` rows each or of a few MiB."""
        size = size or max(1, _BLOCK_BYTES // (4 * self.dim))
        for start in range(0, self.num_rows, size):
            yield slice(start, min(start + size, self.num_rows))

    def fingerprint(self) -> str:
        """SHA-256 of shape, metric and a few rows: tells other features apart, not every change."""
        kept = np.linspace(0, self.num_rows - 1, min(self.num_rows, _FINGERPRINT_ROWS))
        digest = hashlib.sha256(f"{self.num_rows},{self.dim},{self.metric}".encode())
        digest.update(np.ascontiguousarray(self.plain(kept.astype(np.int64))).tobytes())
        return digest.hexdigest()

    def _read(self, selection: Selection) -> NDArray[np.float32]:
        if isinstance(self._x, Tensor):
            chosen = (
                selection if isinstance(selection, slice) else torch.from_numpy(selection)
            )  # numpy has no bfloat16: the conversion is torch's.
            part = self._x[chosen].to("cpu", torch.float32)
            return np.asarray(part.numpy(), dtype=np.float32)
        with np.errstate(over="ignore"):
            return np.asarray(self._x[selection], dtype=np.float32)

    def _scan(self) -> tuple[Frame, float]:
        """Check every row; the frame of these rows and the largest entry."""
        total = np.zeros(self.dim)
        largest = 0.0
        bad: list[NDArray[np.int64]] = []
        zero: list[NDArray[np.int64]] = []
        for part in self.blocks():
            rows = self._read(part)
            with np.errstate(invalid="ignore"):
                # float64 sums of finite float32 entries are finite: one pass checks them all.
                finite = np.isfinite(rows.sum(axis=0, dtype=np.float64)).all()
            if not finite:
                bad.append(part.start + np.flatnonzero(~np.isfinite(rows).all(axis=1)))
                continue
            if self._unit:
                zero.append(part.start + np.flatnonzero(~rows.any(axis=1)))
                if len(zero[-1]) > 0:
                    continue
                rows = _unit_rows(rows)
            total += rows.sum(axis=0, dtype=np.float64)
            largest = max(largest, float(rows.max(initial=0.0)), -float(rows.min(initial=0.0)))
        self._refuse(bad, zero)
        exponent = int(np.clip(np.frexp(largest)[1], -126, 126))  # both powers fit float32
        scale = np.float32(2.0**-exponent)
        center = total / max(1, self.num_rows) * float(scale)
        return Frame(scale, center.astype(np.float32)), largest

    def _refuse(self, bad: list[NDArray[np.int64]], zero: list[NDArray[np.int64]]) -> None:
        if bad:
            rows = np.concatenate(bad)
            raise ValueError(
                f"'x' must be finite in float32 (NaN or infinite in {len(rows)} of "
                f"{self.num_rows} rows: {_listed(rows)}); mend or drop them"
            )
        if zero and len(rows := np.concatenate(zero)) > 0:
            raise ValueError(
                f"'metric' cosine needs rows with a direction (zero in {len(rows)} of "
                f"{self.num_rows} rows: {_listed(rows)}); drop them or use metric='l2'"
            )


def _opened(x: Matrix) -> Tensor | NDArray[np.floating]:
    if isinstance(x, Tensor):
        return x.detach()
    if not isinstance(x, str | Path):
        return x
    try:
        mapped: NDArray[np.floating] = np.load(x, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"'{x}' must be an .npy file of features ({error})") from error
    return mapped


def _direct(x: Tensor | NDArray[np.floating]) -> NDArray[np.float32] | None:
    if isinstance(x, Tensor):
        if x.device.type != "cpu" or x.dtype != torch.float32:
            return None
        x = x.numpy()
    if x.dtype != np.float32 or not (x.flags.c_contiguous and x.flags.aligned):
        return None
    return np.asarray(x)


def _unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = rows / largest
    norms = np.sqrt(np.einsum("nd,nd->n", scaled, scaled, dtype=np.float64))
    return np.asarray(scaled / norms[:, None], dtype=np.float32)


def _listed(rows: NDArray[np.int64], most: int = 10) -> str:
    shown = ", ".join(str(row) for row in rows[:most])
    return shown if len(rows) <= most else f"{shown}, ..."
