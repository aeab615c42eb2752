"""Rows that can be searched, now and by a later process: build, search, save, load."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphs.approximate import ApproximateSearch
from graphs.backends import choose_backend, faiss_has_gpu
from graphs.exact import ExactSearch
from graphs.index_file import IndexRecord, read_record, write_record
from graphs.neighbor_lists import neighbor_lists
from graphs.neighbors import Neighbors, RecallWarning, SearchReport
from graphs.plan import EXACT_WORK, SearchPlan, exact_work, plan_search
from graphs.refine import SPARE
from graphs.rows import Matrix, Rows
from graphs.tuning import tune

_INDEX_FILE = "index.faiss"
_MINUTES_OF_EXACT_WORK = 2


class NeighborIndex:
    """Feature rows behind an index; made by `build` or `load`.

    The rows themselves stay where they are (an array, or a mapped file) and are read to measure
    candidates exactly. Beside the index, at most ``memory_gib`` is allocated.

    Attributes:
        report: What kind of index it is, and the recall it reaches on rows of its own.
    """

    def __init__(
        self,
        rows: Rows,
        search: ExactSearch | ApproximateSearch,
        plan: SearchPlan,
        k: int,
        report: SearchReport,
    ) -> None:
        self._rows = rows
        self._search = search
        self._plan = plan
        self._k = k
        self.report = report

    @classmethod
    def build(
        cls,
        x: Matrix,
        k: int,
        *,
        metric: str = "l2",
        index: str = "auto",
        backend: str = "faiss",
        device: str = "auto",
        memory_gib: float | None = None,
        target_recall: float = 0.95,
        seed: int = 0,
    ) -> "NeighborIndex":
        """Index rows, and find out how hard to look for k neighbours.

        Args: as for `graphs.knn`.

        Raises:
            ValueError: As `graphs.knn`.
            ImportError: If the backend's package is not installed.

        Warns:
            RecallWarning: If the target is not reached; says what to do.
        """
        find = choose_backend(backend, device)
        _check_options(index, backend, target_recall)
        rows = Rows(x, metric)
        check_k(k, rows.num_rows - 1, rows.num_rows)
        plan = plan_search(
            rows.num_rows,
            rows.dim,
            k,
            index=index if backend == "faiss" else "exact",
            memory_gib=memory_gib,
            gpu=device != "cpu" and faiss_has_gpu(),
        )
        exact = ExactSearch(rows, find, resident=plan.resident, block_bytes=plan.block_bytes)
        if plan.kind == "exact":
            report = SearchReport("exact", peak_bytes=plan.peak_bytes)
            return cls(rows, exact, plan, int(k), report)
        search, report = _tuned(rows, plan, exact, int(k), target_recall, seed)
        return cls(rows, search, plan, int(k), report)

    def neighbors(self, k: int | None = None) -> Neighbors:
        """The k nearest other rows of each of its rows; the k it was built for by default.

        Raises:
            ValueError: If k is not in [1, N - 1] or a distance does not fit float32.
        """
        k = self._k if k is None else k
        rows = self._rows
        check_k(k, rows.num_rows - 1, rows.num_rows)
        order = self._search.order() if isinstance(self._search, ApproximateSearch) else None
        candidates, size = self._candidates(k), self._plan.block_bytes
        found, distances = neighbor_lists(rows, self._search, k, candidates, size, numbers=order)
        squared = self._squared(distances)
        if order is None:
            return Neighbors(found, squared, self.report)
        indices, sorted_squared = np.empty_like(found), np.empty_like(squared)
        indices[order], sorted_squared[order] = found, squared
        return Neighbors(indices, sorted_squared, self.report)

    def search(self, x: Matrix, k: int) -> Neighbors:
        """The k nearest of its rows for each of other rows.

        Args:
            x: New rows [Q, D], as for `graphs.knn`.
            k: In [1, N].

        Returns:
            Neighbours [Q, k]; the indices are numbers of the rows indexed.

        Raises:
            ValueError: If x is not a finite matrix of D columns, or k is out of range.
        """
        queries = Rows(x, self._rows.metric, self._rows.frame)
        if queries.dim != self._rows.dim:
            raise ValueError(
                f"'x' must have {self._rows.dim} columns, as the rows indexed (got {queries.dim})"
            )
        check_k(k, self._rows.num_rows, self._rows.num_rows)
        candidates, size = self._candidates(k), self._plan.block_bytes
        indices, distances = neighbor_lists(
            self._rows, self._search, k, candidates, size, queries=queries
        )
        return Neighbors(indices, self._squared(distances), self.report)

    def cells(self) -> NDArray[np.int64] | None:
        """Cell of each row [N]; None without cells."""
        return self._search.cells() if isinstance(self._search, ApproximateSearch) else None

    def save(self, folder: Path) -> None:
        """Write ``index.json`` and, for an approximate index, ``index.faiss`` into a folder.

        The rows are not written: `load` is given them again.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(self._search, ApproximateSearch):
            partial = folder / f"{_INDEX_FILE}.partial"
            self._search.write(partial)
            partial.replace(folder / _INDEX_FILE)
        rows = self._rows
        record = IndexRecord(
            rows.metric, rows.num_rows, rows.dim, rows.fingerprint(), self._k, self.report
        )
        write_record(folder, record)

    @classmethod
    def load(
        cls, folder: Path, x: Matrix, *, device: str = "auto", memory_gib: float | None = None
    ) -> "NeighborIndex":
        """Read what `save` wrote; nothing in the files is executed.

        Args:
            folder: Where it was saved.
            x: The rows it was built of.
            device: Where FAISS searches exactly.
            memory_gib: What may be allocated besides the rows.

        Raises:
            ValueError: If the files are absent or damaged, or the rows are others.
        """
        record = read_record(folder)
        rows = Rows(x, record.metric)
        if rows.fingerprint() != record.fingerprint:
            raise ValueError(
                f"'x' must be the rows of the index in '{folder}', {record.num_rows:,} x "
                f"{record.dim} (got {rows.num_rows:,} x {rows.dim}, or other values); "
                "build it anew"
            )
        kind = record.report.kind
        plan = plan_search(rows.num_rows, rows.dim, record.k, index=kind, memory_gib=memory_gib)
        search: ExactSearch | ApproximateSearch
        if kind == "exact":
            find = choose_backend("faiss", device)
            search = ExactSearch(rows, find, resident=plan.resident, block_bytes=plan.block_bytes)
        else:
            search = ApproximateSearch.read(folder / _INDEX_FILE, kind, plan.block_bytes)
            if search.size != (rows.num_rows, rows.dim):
                raise ValueError(f"'{folder / _INDEX_FILE}' indexes other rows; build it anew")
            search.effort = record.report.effort
        return cls(rows, search, plan, record.k, record.report)

    def _candidates(self, k: int) -> int:
        """As many for each neighbour as the k that was tuned for has."""
        tuned = -(-self.report.candidates * (k + 1) // (self._k + 1))
        return min(max(tuned, k + 1 + SPARE), self._rows.num_rows)

    def _squared(self, distances: NDArray[np.float64]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            squared = distances.astype(np.float32)
        if not np.isfinite(squared).all():
            raise ValueError(
                f"squared distances of 'x' must fit float32 (largest entry "
                f"{self._rows.largest:.3g}); scale 'x'"
            )
        return squared


def check_k(k: int, most: int, num_rows: int) -> None:
    """Refuse a number of neighbours that there are not.

    Raises:
        ValueError: If k is no integer in [1, ``most``].
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= most:
        raise ValueError(f"'k' must be in [1, {most}] for {num_rows} nodes (got {k})")


def _check_options(index: str, backend: str, target_recall: float) -> None:
    if not 0 < target_recall <= 1:
        raise ValueError(f"'target_recall' must be in (0, 1] (got {target_recall})")
    if backend != "faiss" and index not in ("auto", "exact"):
        raise ValueError(
            f"'index' must be auto or exact for backend {backend!r} (got {index!r}); "
            "use backend='faiss'"
        )


def _tuned(
    rows: Rows, plan: SearchPlan, exact: ExactSearch, k: int, target: float, seed: int
) -> tuple[ApproximateSearch, SearchReport]:
    """An index that looks hard enough, or says that it cannot."""
    search = ApproximateSearch.build(rows, plan, seed)
    tuned = tune(rows, search, exact, k, target, plan.block_bytes, seed)
    report = SearchReport(
        plan.kind,
        recall=tuned.recall,
        recall_error=tuned.error,
        sample_size=tuned.sample_size,
        target_recall=target,
        num_cells=plan.num_cells,
        effort=tuned.effort,
        candidates=tuned.candidates,
        index_bytes=plan.index_bytes,
        peak_bytes=plan.peak_bytes,
    )
    if report.recall < target:
        minutes = exact_work(rows.num_rows, rows.dim) / EXACT_WORK * _MINUTES_OF_EXACT_WORK
        other = "ivf_flat" if plan.kind != "ivf_flat" else "hnsw"
        warnings.warn(
            f"the {report} is below the {target:g} asked for; use index {other}, or index exact "
            f"(about {max(1, round(minutes)):,} min on two cores), or a lower target recall",
            RecallWarning,
            stacklevel=4,  # who called `graphs.knn`
        )
    return search, report
