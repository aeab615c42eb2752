"""Approximate candidates: an index of FAISS that looks at few rows for each query."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from graphs.plan import HNSW_LINKS, SearchPlan, code_subspaces
from graphs.rows import Rows

_ITERATIONS = 10  # of k-means: cells need to be compact, not optimal
_CONSTRUCTION_EFFORT = 80
# Cells beyond this share cost more than an exact search, whose products run at matrix speed.
_MOST_CELLS_SHARE = 8
_FEW_CELLS = 64
_MOST_HNSW_EFFORT = 2048
_BLOCK_BYTES = 2**27


class ApproximateSearch:
    """An index of FAISS and how hard it looks.

    Args:
        index: The index, trained and filled.
        kind: ``ivf_flat``, ``ivf_sq8``, ``ivf_pq`` or ``hnsw``.
        block_bytes: Memory for FAISS's tables, about.

    Attributes:
        kind: The same.
        effort: Cells searched for a query (``ivf_*``) or ``efSearch`` (``hnsw``); may be changed.
    """

    def __init__(self, index: Any, kind: str, block_bytes: int = _BLOCK_BYTES) -> None:
        self._index = index
        self._block_bytes = block_bytes
        self.kind = kind
        self.effort = min(4, self.most_effort) if self.num_cells else 16

    @classmethod
    def build(cls, rows: Rows, plan: SearchPlan, seed: int) -> "ApproximateSearch":
        """Learn cells and codes from a sample, then add all rows in blocks."""
        index = _empty_index(plan.kind, rows.dim, plan.num_cells, seed)
        if plan.num_cells:
            rng = np.random.default_rng(seed)
            sample = rng.choice(rows.num_rows, plan.training_rows, replace=False)
            index.train(rows.centered(np.sort(sample)))
        for part in rows.blocks(max(1, plan.block_bytes // (8 * rows.dim))):
            index.add(rows.centered(part))
        return cls(index, plan.kind, plan.block_bytes)

    @property
    def num_cells(self) -> int:
        """Cells of an inverted file; 0 for ``hnsw``."""
        return 0 if self.kind == "hnsw" else int(self._index.nlist)

    @property
    def most_effort(self) -> int:
        """The largest effort that is still worth its time."""
        if self.num_cells == 0:
            return _MOST_HNSW_EFFORT
        return min(self.num_cells, max(_FEW_CELLS, self.num_cells // _MOST_CELLS_SHARE))

    @property
    def size(self) -> tuple[int, int]:
        """Rows and dimensions of the index."""
        return int(self._index.ntotal), int(self._index.d)

    def find(self, queries: NDArray[np.float32], m: int) -> NDArray[np.int64]:
        """About the m nearest rows of each query, -1 where too few were looked at.

        Args:
            queries: Rows [Q, D] in the frame of the rows searched.
            m: At most N.

        Returns:
            Row numbers int64 [Q, m], roughly nearest first.
        """
        if self.num_cells:
            self._index.nprobe = self.effort
        else:
            self._index.hnsw.efSearch = max(self.effort, m)
        found = np.empty((len(queries), m), dtype=np.int64)
        step = self._queries_at_once()
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            found[part] = self._index.search(queries[part], m)[1]
        return found

    def order(self) -> NDArray[np.int64] | None:
        """Row numbers by cell: neighbours in that order read the same cells; None without cells."""
        if self.num_cells == 0:
            return None
        return np.concatenate(list(self._members()))

    def cells(self) -> NDArray[np.int64] | None:
        """Cell of every row [N], or None."""
        if self.num_cells == 0:
            return None
        cells = np.empty(int(self._index.ntotal), dtype=np.int64)
        for cell, members in enumerate(self._members()):
            cells[members] = cell
        return cells

    def write(self, file: Path) -> None:
        """Write the index in FAISS's own format."""
        faiss.write_index(self._index, str(file))

    @classmethod
    def read(cls, file: Path, kind: str, block_bytes: int = _BLOCK_BYTES) -> "ApproximateSearch":
        """Read what `write` wrote.

        Raises:
            ValueError: If the file is absent, damaged or another kind of index.
        """
        try:
            index = faiss.read_index(str(file))
        except RuntimeError as error:
            raise ValueError(f"'{file}' is absent or damaged; build the index anew") from error
        if type(index) is not type(_empty_index(kind, index.d, 1, 0)):
            raise ValueError(f"'{file}' must hold an index {kind} (got {type(index).__name__})")
        return cls(index, kind, block_bytes)

    def _members(self) -> Iterator[NDArray[np.int64]]:
        lists = self._index.invlists
        for cell in range(self.num_cells):
            size = lists.list_size(cell)
            if size == 0:
                yield np.empty(0, dtype=np.int64)
                continue
            yield faiss.rev_swig_ptr(lists.get_ids(cell), size).copy()

    def _queries_at_once(self) -> int:
        """FAISS makes a table for each query, cell and code (float32 and its 8-bit copy)."""
        if self.kind != "ivf_pq":
            return 2**14
        table = 5 * 16 * self.effort * code_subspaces(int(self._index.d))
        return max(1, self._block_bytes // table)


def _empty_index(kind: str, dim: int, num_cells: int, seed: int) -> Any:  # FAISS types no parts
    if kind == "hnsw":
        graph = faiss.IndexHNSWFlat(dim, HNSW_LINKS)
        graph.hnsw.efConstruction = _CONSTRUCTION_EFFORT
        return graph
    code = {"ivf_flat": "Flat", "ivf_sq8": "SQ8", "ivf_pq": f"PQ{code_subspaces(dim)}x4fs"}[kind]
    index: Any = faiss.index_factory(dim, f"IVF{num_cells},{code}")
    index.cp.seed = seed % 2**31
    index.cp.niter = _ITERATIONS
    index.cp.min_points_per_centroid = 1  # small data is no reason to print
    if kind == "ivf_pq":
        index.pq.cp.min_points_per_centroid = 1
    return index
