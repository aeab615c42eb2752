"""From candidates found in float32 to neighbours that are right in float64.

A float32 search expands |a - b|^2 = |a|^2 + |b|^2 - 2ab and loses close distances between rows of
large norm to cancellation; a compressed index knows distances roughly. Here the few candidates of
each row are measured again, by differences and in float64. After an exact search, a row whose list
rounding may have spoilt is searched again (`search_again`).
"""

from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from graphs.rows import Rows

# Differences are read as soon as they are written: a block stays in the processor's cache. Every
# thread has rows of its own from start to end: hundreds of small parallel regions would stall
# wherever cores are shared.
_DIFFERENCE_BYTES = 2**20
_DISTANCE_BYTES = 2**25
# Candidates beyond the k-th show how far the search's rounding is from mattering.
SPARE = 5


def refine(
    rows: Rows,
    queries: NDArray[np.float32],
    own: NDArray[np.int64] | None,
    candidates: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Order candidates by their distance and drop the query's own row.

    Args:
        rows: The rows searched.
        queries: Plain rows [Q, D], as `Rows.plain` gives them.
        own: Row number of each query [Q] where the queries are among the rows, else None.
        candidates: Row numbers [Q, m], m >= k; -1 where nothing was found.
        k: Neighbours wanted.

    Returns:
        Indices [Q, k], nearest first, ties by index; squared distances [Q, k], infinite where too
        little was found; and each query's farthest measured distance [Q].
    """
    numbers, local = candidates, candidates
    base = rows.direct
    if base is None:
        numbers, inverse = np.unique(candidates, return_inverse=True)
        base = rows.plain(np.maximum(numbers, 0))
        local = inverse.reshape(candidates.shape)
    missing = candidates < 0
    if missing.any():
        local = np.where(missing, 0, local)
    excluded = missing if own is None else missing | (candidates == own[:, None])
    if candidates.shape[1] > k + 1 + SPARE:
        kept = _roughly_nearest(queries, base, local, excluded, k + 1 + SPARE)
        candidates, local, excluded = (
            np.take_along_axis(array, kept, 1) for array in (candidates, local, excluded)
        )
    measured = squared_distances(queries, base, local)
    farthest = measured.max(axis=1)
    measured[excluded] = np.inf
    indices, distances = _nearest(candidates, measured, k)
    return indices, distances, farthest


def squared_distances(
    queries: NDArray[np.float32], base: NDArray[np.float32], others: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Squared distances [Q, m] of queries [Q, D] to rows ``others`` [Q, m] of ``base``."""
    measured = np.empty(others.shape)
    step = max(1, _DIFFERENCE_BYTES // (8 * base.shape[1] * others.shape[1]))
    threads = max(1, min(torch.get_num_threads(), len(queries) // step))
    bounds = np.linspace(0, len(queries), threads + 1, dtype=np.int64)

    def measure(first: int, last: int) -> None:
        space = np.empty((step, others.shape[1], base.shape[1]))
        for start in range(first, last, step):
            part = slice(start, min(start + step, last))
            difference = space[: part.stop - part.start]
            difference[:] = base[others[part]]
            difference -= queries[part, None].astype(np.float64)
            measured[part] = np.einsum("qmd,qmd->qm", difference, difference)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(measure, bounds[:-1], bounds[1:]))  # list: an error in a thread is raised
    return measured


def certain(
    nearest: NDArray[np.float64],
    farthest: NDArray[np.float64],
    norms: NDArray[np.float64],
    dim: int,
) -> NDArray[np.bool_]:
    """Whether an exact float32 search cannot have missed a neighbour.

    A row that the search left out, though nearer than the k-th found, has a norm of at most
    |x_i| + sqrt(d_k). The expansion of its distance is then wrong by at most ``rounding``, and so
    is that of the farthest candidate: beyond twice that, no such row exists.

    Args:
        nearest: Squared distance of the k-th neighbour [Q], in the search's frame.
        farthest: That of the farthest candidate [Q].
        norms: Norms of the queries [Q] in that frame.
        dim: D.
    """
    unit = (dim + 8) * 2.0**-24
    rounding = unit * (2 * norms + np.sqrt(farthest)) ** 2
    return np.asarray(farthest - nearest > 2 * rounding)


def search_again(
    rows: Rows, queries: NDArray[np.float32], own: NDArray[np.int64] | None, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest rows of a few queries, in float64; ties go to the lower index.

    Args:
        rows: The rows searched.
        queries: Plain rows [Q, D], a thousand or so.
        own: Row number of each query [Q], never its own neighbour, or None.
        k: Neighbours wanted.
    """
    found = _nearest_expanded(rows, queries, own, k)
    indices, distances, _ = refine(rows, queries, own, found, k)
    return indices, distances


def _nearest_expanded(
    rows: Rows, queries: NDArray[np.float32], own: NDArray[np.int64] | None, k: int
) -> NDArray[np.int64]:
    """Numbers [Q, k], ascending, of the rows nearest by float64 products."""
    # A shift on a coarse grid keeps products of coarse data (pixels, counts) exact, ties with them.
    shift = np.rint(rows.frame.center.astype(np.float64) * 2**12) / 2**12
    left = rows.frame.scaled(queries) - shift
    squares = np.einsum("qd,qd->q", left, left)[:, None]
    best = np.empty((len(queries), 0))
    found = np.empty((len(queries), 0), dtype=np.int64)
    for part in rows.blocks(max(1, _DISTANCE_BYTES // (8 * max(rows.dim, len(queries))))):
        right = rows.frame.scaled(rows.plain(part)) - shift
        expanded = np.einsum("nd,nd->n", right, right) - 2 * (left @ right.T) + squares
        if own is not None:
            here = np.flatnonzero((own >= part.start) & (own < part.stop))
            expanded[here, own[here] - part.start] = np.inf
        # Earlier rows come first and in order: a tie stays with the lower number.
        numbers = np.broadcast_to(np.arange(part.start, part.stop), expanded.shape)
        best = np.concatenate([best, expanded], axis=1)
        found = np.concatenate([found, numbers], axis=1)
        if best.shape[1] > k:
            kept = _smallest(best, k)
            best, found = np.take_along_axis(best, kept, 1), np.take_along_axis(found, kept, 1)
    return found


def _roughly_nearest(
    queries: NDArray[np.float32],
    base: NDArray[np.float32],
    others: NDArray[np.int64],
    excluded: NDArray[np.bool_],
    m: int,
) -> NDArray[np.int64]:
    """Columns [Q, m] of the candidates that are nearest by float32 differences, unordered."""
    rough = np.empty(others.shape, dtype=np.float32)
    number = np.repeat(np.arange(len(queries)), others.shape[1])
    others = np.ascontiguousarray(others)
    faiss.pairwise_indexed_L2sqr(  # type: ignore[attr-defined]  # not in its stubs
        queries.shape[1],
        others.size,
        faiss.swig_ptr(np.ascontiguousarray(queries)),
        faiss.swig_ptr(number),
        faiss.swig_ptr(base),
        faiss.swig_ptr(others),
        faiss.swig_ptr(rough),
    )
    rough[excluded] = np.inf
    return np.asarray(np.argpartition(rough, m - 1, axis=1)[:, :m], dtype=np.int64)


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
