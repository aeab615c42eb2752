"""Queries in blocks: candidates from a search, measured exactly, doubtful lists searched again."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from graphs.exact import ExactSearch
from graphs.refine import certain, refine, search_again
from graphs.rows import Rows

_AGAIN_ROWS = 1024


class Search(Protocol):
    """Finds candidates; see `ExactSearch` and `ApproximateSearch`."""

    def find(self, queries: NDArray[np.float32], m: int) -> NDArray[np.int64]:
        """Row numbers [Q, m] for queries [Q, D] in the rows' frame; -1 for none."""


def neighbor_lists(
    rows: Rows,
    search: Search,
    k: int,
    candidates: int,
    block_bytes: int,
    *,
    queries: Rows | None = None,
    numbers: NDArray[np.int64] | None = None,
    repair: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest rows of each query.

    Args:
        rows: The rows searched.
        search: Who finds candidates among them.
        k: Neighbours of each query.
        candidates: Candidates of each query, k or more and at most N.
        block_bytes: Memory for a block of queries, about.
        queries: Other rows; None: the rows themselves, each of them excluded from its own list.
        numbers: Which queries, in which order; None: all.
        repair: Search again, in float64, where an exact search may have erred or an approximate
            one has found fewer than k.

    Returns:
        Indices int64 [Q, k], nearest first, and squared distances float64 [Q, k], in the order of
        ``numbers``.
    """
    source = rows if queries is None else queries
    count = source.num_rows if numbers is None else len(numbers)
    indices = np.empty((count, k), dtype=np.int64)
    distances = np.empty((count, k))
    doubtful = [np.empty(0, dtype=np.int64)]
    step = max(1, block_bytes // _bytes_of_query(rows, candidates))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        plain = source.plain(part if numbers is None else numbers[part])
        centered = rows.frame.centered(plain)
        found = search.find(centered, candidates)
        own = _numbers(part, numbers) if queries is None else None
        indices[part], distances[part], farthest = refine(rows, plain, own, found, k)
        settled = np.isfinite(distances[part, -1])
        if isinstance(search, ExactSearch) and candidates < rows.num_rows:
            norms = np.sqrt(np.einsum("nd,nd->n", centered, centered, dtype=np.float64))
            units = float(rows.frame.scale) ** 2
            nearest = distances[part, -1] * units
            settled &= certain(nearest, farthest * units, norms, rows.dim)
        doubtful.append(start + np.flatnonzero(~settled))
    again = np.concatenate(doubtful) if repair else doubtful[0]
    for start in range(0, len(again), _AGAIN_ROWS):
        redone = again[start : start + _AGAIN_ROWS]
        chosen = redone if numbers is None else numbers[redone]
        own = chosen if queries is None else None
        indices[redone], distances[redone] = search_again(rows, source.plain(chosen), own, k)
    return indices, distances


def _numbers(part: slice, numbers: NDArray[np.int64] | None) -> NDArray[np.int64]:
    return np.arange(part.start, part.stop) if numbers is None else numbers[part]


def _bytes_of_query(rows: Rows, candidates: int) -> int:
    # The row, its frame, its candidates with their distances; their rows where those are copied.
    copied = 0 if rows.direct is not None else 4 * rows.dim * candidates
    return 8 * rows.dim + 64 * candidates + copied
