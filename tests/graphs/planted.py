"""Rows in clusters, for the tests of approximate search."""

import numpy as np
from numpy.typing import NDArray


def planted_rows(num_rows: int = 2000, dim: int = 32, seed: int = 0) -> NDArray[np.float32]:
    """Ten clusters, each around a plane of its own of four dimensions."""
    rng = np.random.default_rng(seed)
    centers, planes = rng.normal(size=(10, dim)), rng.normal(size=(10, 4, dim))
    y = rng.integers(0, 10, num_rows)
    along = np.einsum("nr,nrd->nd", rng.normal(size=(num_rows, 4)), planes[y])
    noise = 0.1 * rng.normal(size=(num_rows, dim))
    return np.asarray(centers[y] + along + noise, dtype=np.float32)


def brute_force(x: NDArray[np.floating], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """float64 differences, ties to the lower index."""
    rows = x.astype(np.float32).astype(np.float64)
    squared = ((rows[:, None] - rows[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(squared, np.inf)
    indices = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(squared, indices, 1)
