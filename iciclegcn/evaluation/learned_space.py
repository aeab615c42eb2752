"""Few coordinates a row that show its groups: features averaged over their neighbour graph."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

_ROWS_AT_A_TIME = 8192
_FITTED_ROWS = 10_000


def learned_space(
    x: NDArray[np.floating],
    neighbors: NDArray[np.int64],
    *,
    steps: int = 6,
    dim: int = 32,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Principal components of rows of length 1, averaged over the graph.

    Averaged over the graph, rows come together with neighbours of neighbours, and groups with few
    edges between them draw apart; stage 2 takes its first partition in such a space.

    Args:
        x: Features [N, D]; may be memory-mapped, and is read in blocks.
        neighbors: Each row's neighbours [N, k], itself excluded.
        steps: How often rows are averaged with their neighbours, on either side.
        dim: Components at most.
        seed: Fixes the rows that the components are fitted to.

    Returns:
        Coordinates, float32 [N, min(dim, D, N)].

    Raises:
        ValueError: If the lengths differ or a number is out of range.
    """
    if x.ndim != 2 or neighbors.ndim != 2 or len(x) != len(neighbors) or len(x) < 2:
        raise ValueError(
            "'x' [N, D] and 'neighbors' [N, k] must have one length, 2 or more (got shapes "
            f"{x.shape} and {neighbors.shape})"
        )
    if steps < 0 or dim < 1:
        raise ValueError(f"'steps' must be 0 or more and 'dim' 1 or more (got {steps} and {dim})")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(x))[:_FITTED_ROWS])
    first = PCA(min(dim, x.shape[1], len(chosen)), svd_solver="full")
    first.fit(normalize(np.asarray(x[chosen], dtype=np.float32)))
    blocks = [
        first.transform(normalize(np.asarray(x[start : start + _ROWS_AT_A_TIME], np.float32)))
        for start in range(0, len(x), _ROWS_AT_A_TIME)
    ]
    rows = np.concatenate(blocks).astype(np.float32)
    average = _averaging(neighbors)
    for _ in range(steps):
        rows = average @ rows
    return np.ascontiguousarray(rows, dtype=np.float32)


def _averaging(neighbors: NDArray[np.int64]) -> csr_array:
    """D^-1 (A + I) of the union of the lists: every row becomes a mean of rows."""
    num_rows, k = neighbors.shape
    ends = np.arange(0, num_rows * k + 1, k)
    ones = np.ones(num_rows * k, dtype=np.float32)
    listed = csr_array((ones, neighbors.ravel(), ends), shape=(num_rows, num_rows))
    graph = listed.maximum(listed.T) + eye_array(num_rows, dtype=np.float32)
    return csr_array(diags_array(1 / graph.sum(axis=1).astype(np.float32)) @ graph)
