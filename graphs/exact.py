"""Exact candidates: every query against every row, in blocks."""

import faiss
import numpy as np
from numpy.typing import NDArray

from graphs.backends import Backend
from graphs.rows import Rows


class ExactSearch:
    """Searches all rows in float32, however many fit into memory.

    Args:
        rows: The rows searched.
        backend: Who searches a block.
        resident: Keep all rows in memory, in their frame; otherwise they are read in blocks anew
            for every block of queries.
        block_bytes: Size of such a block.
    """

    def __init__(self, rows: Rows, backend: Backend, *, resident: bool, block_bytes: int) -> None:
        self._rows = rows
        self._backend = backend
        self._block_rows = max(1, block_bytes // (8 * rows.dim))
        self._base = rows.centered(slice(0, rows.num_rows)) if resident else None

    def find(self, queries: NDArray[np.float32], m: int) -> NDArray[np.int64]:
        """The m nearest rows of each query.

        Args:
            queries: Rows [Q, D] in the frame of the rows searched.
            m: At most N.

        Returns:
            Row numbers int64 [Q, m].
        """
        if self._base is not None:
            return self._backend(queries, self._base, m)[1]
        heap = faiss.ResultHeap(len(queries), m)
        for part in self._rows.blocks(self._block_rows):
            base = self._rows.centered(part)
            distances, indices = self._backend(queries, base, min(m, len(base)))
            heap.add_result(distances, indices + part.start)
        heap.finalize()
        return np.asarray(heap.I, dtype=np.int64)
