"""Moving and scaling features so that networks learn from them at any unit they come in."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class FeatureScaling(NamedTuple):
    """What is subtracted from every row, and what the rest is divided by.

    One number divides all columns: which rows are nearest to which stays as it is.

    Attributes:
        center: float32 [D].
        scale: Positive.
    """

    center: NDArray[np.float32]
    scale: float

    def apply(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """Scaled rows float32 [n, D]."""
        return ((rows - self.center) / np.float32(self.scale)).astype(np.float32, copy=False)

    def undo(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """Rows in the units they came in, float32 [n, D]."""
        return (rows * np.float32(self.scale) + self.center).astype(np.float32, copy=False)

    def to_arrays(self) -> dict[str, NDArray[np.floating]]:
        """As arrays, for a file."""
        return {"center": self.center, "scale": np.array(self.scale)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.floating]]) -> "FeatureScaling":
        """Back from `to_arrays`."""
        return cls(arrays["center"].astype(np.float32), float(arrays["scale"]))


def fit_scaling(blocks: Iterable[NDArray[np.floating]], dim: int, kind: str) -> FeatureScaling:
    """The scaling of all rows.

    Args:
        blocks: All rows, some at a time, finite [n, D] each.
        dim: D.
        kind: ``none``, or ``unit``: mean 0 a column, mean square 1 over all entries.

    Returns:
        The scaling; of rows that are all alike, the scale is 1.
    """
    if kind == "none":
        return FeatureScaling(np.zeros(dim, np.float32), 1.0)
    count = 0
    mean, squares = np.zeros(dim), np.zeros(dim)
    for rows in blocks:
        # Chan et al. (1979): sums around each block's own mean lose no digits to large offsets.
        part = rows.astype(np.float64)
        part_mean = part.mean(axis=0)
        gap, total = part_mean - mean, count + len(part)
        squares += np.square(part - part_mean).sum(axis=0) + gap**2 * (count * len(part) / total)
        mean += gap * (len(part) / total)
        count = total
    variance = float(squares.mean()) / max(1, count)
    # What float32 rounding leaves of rows that are all alike is no variance.
    floor = (np.finfo(np.float32).eps * float(np.abs(mean).max(initial=0.0))) ** 2
    return FeatureScaling(mean.astype(np.float32), math.sqrt(variance) if variance > floor else 1.0)
