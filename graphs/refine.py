"""From candidates found in float32 to neighbours that are right in float64.

A float32 search expands |a - b|^2 = |a|^2 + |b|^2 - 2ab and loses close distances between rows of
large norm to cancellation. Here the few candidates of each row are measured again, by differences
and in float64; a row whose list the rounding of the search may have spoilt is searched again.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

# Differences are read as soon as they are written: a block stays in the processor's cache. Every
# thread has rows of its own from start to end: hundreds of small parallel regions would stall
# wherever cores are shared.
_DIFFERENCE_BYTES = 2**20
_DISTANCE_BYTES = 2**24


def refine(
    x: NDArray[np.float32],
    candidates: NDArray[np.int64],
    norms: NDArray[np.float64],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Order candidates by their distance, drop the row itself, repair doubtful rows.

    Args:
        x: Rows [N, D].
        candidates: Rows found for each row [N, m], k < m <= N.
        norms: Norms [N] of the rows in the frame in which the candidates were searched.
        k: Neighbours wanted.

    Returns:
        Indices [N, k], nearest first, ties by index, and squared distances [N, k].
    """
    num_nodes, dim = x.shape
    rows = np.arange(num_nodes)
    measured = squared_distances(x, rows, candidates)
    farthest = measured.max(axis=1)
    measured[candidates == rows[:, None]] = np.inf
    indices, distances = _nearest(candidates, measured, k)
    if candidates.shape[1] < num_nodes:
        doubtful = np.flatnonzero(~_certain(distances[:, -1], farthest, norms, dim))
        indices[doubtful], distances[doubtful] = search_again(x, doubtful, k)
    return indices, distances


def squared_distances(
    x: NDArray[np.float32], rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Squared distances [R, m] of ``rows`` [R] to ``others`` [R, m], by differences."""
    measured = np.empty(others.shape)
    step = max(1, _DIFFERENCE_BYTES // (8 * x.shape[1] * others.shape[1]))
    threads = max(1, min(torch.get_num_threads(), len(rows) // step))
    bounds = np.linspace(0, len(rows), threads + 1, dtype=np.int64)

    def measure(first: int, last: int) -> None:
        for start in range(first, last, step):
            part = slice(start, min(start + step, last))
            difference = np.subtract(x[others[part]], x[rows[part], None], dtype=np.float64)
            measured[part] = np.einsum("rmd,rmd->rm", difference, difference)  # From [R, m, D].

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(measure, bounds[:-1], bounds[1:]))  # list: an error in a thread is raised
    return measured


def search_again(
    x: NDArray[np.float32], rows: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest of a few rows against all, in float64; ties go to the lower index.

    Entries of x are expected within [-1, 1].
    """
    indices = np.empty((len(rows), k), dtype=np.int64)
    distances = np.empty((len(rows), k))
    # A shift on a coarse grid keeps products of coarse data (pixels, counts) exact, ties with them.
    shift = np.rint(x.mean(axis=0, dtype=np.float64) * 2**12) / 2**12
    step = max(1, _DISTANCE_BYTES // (8 * len(x)))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        expanded = _expanded_distances(x, block, shift)
        expanded[np.arange(len(block)), block] = np.inf
        found = _smallest(expanded, k)
        part = slice(start, start + len(block))
        indices[part], distances[part] = _nearest(found, squared_distances(x, block, found), k)
    return indices, distances


def _expanded_distances(
    x: NDArray[np.float32], rows: NDArray[np.int64], shift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distances [R, N] of ``rows`` to all, by float64 products of the shifted rows."""
    left = x[rows] - shift
    expanded = np.empty((len(rows), len(x)))
    step = max(1, _DISTANCE_BYTES // (8 * x.shape[1]))
    for start in range(0, len(x), step):
        right = x[start : start + step] - shift
        squares = np.einsum("nd,nd->n", right, right)
        np.subtract(squares, 2 * (left @ right.T), out=expanded[:, start : start + step])
    expanded += np.einsum("rd,rd->r", left, left)[:, None]
    return expanded


def _certain(
    nearest: NDArray[np.float64],
    farthest: NDArray[np.float64],
    norms: NDArray[np.float64],
    dim: int,
) -> NDArray[np.bool_]:
    # A row that the search left out, though nearer than the k-th found, has a norm of at most
    # |x_i| + sqrt(d_k). The expansion of its distance is then wrong by at most `rounding`, and so
    # is that of the farthest candidate: beyond twice that, no such row exists.
    unit = (dim + 8) * 2.0**-24
    rounding = unit * (2 * norms + np.sqrt(farthest)) ** 2
    return np.asarray(farthest - nearest > 2 * rounding)


def _nearest(
    found: NDArray[np.int64], measured: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    order = np.lexsort((found, measured), axis=1)[:, :k]
    return np.take_along_axis(found, order, 1), np.take_along_axis(measured, order, 1)


def _smallest(values: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Columns [R, k] of the k smallest of each row, ascending columns; ties to the lower one."""
    bound = np.partition(values, k - 1, axis=1)[:, k - 1 : k]
    below = values < bound
    tied = values == bound
    room = k - below.sum(axis=1, keepdims=True)
    chosen = below | (tied & (np.cumsum(tied, axis=1) <= room))
    return np.asarray(np.nonzero(chosen)[1].reshape(len(values), k), dtype=np.int64)
