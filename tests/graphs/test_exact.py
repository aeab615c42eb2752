import numpy as np
import pytest
from numpy.typing import NDArray

from graphs.backends import Found, choose_backend, faiss_cpu
from graphs.exact import ExactSearch
from graphs.rows import Rows

X = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)


@pytest.mark.parametrize("backend", ["faiss", "sklearn"])
def test_blocks_find_what_one_search_finds(backend: str) -> None:
    rows = Rows(X, "l2")
    find = choose_backend(backend, "cpu")
    queries = rows.centered(slice(0, 40))
    whole = ExactSearch(rows, find, resident=True, block_bytes=2**20).find(queries, 12)
    # 10 rows a block: fewer than are looked for.
    pieces = ExactSearch(rows, find, resident=False, block_bytes=400).find(queries, 12)
    squared = ((X[:40, None] - X[None]) ** 2).sum(axis=-1)
    np.testing.assert_array_equal(whole, np.argsort(squared, axis=1)[:, :12])
    np.testing.assert_array_equal(pieces, whole)
    assert pieces.dtype == np.int64


def test_only_resident_rows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    largest: list[int] = []

    def spy(queries: NDArray[np.float32], base: NDArray[np.float32], m: int) -> Found:
        largest.append(len(base))
        return faiss_cpu(queries, base, m)

    rows = Rows(X, "l2")
    ExactSearch(rows, spy, resident=False, block_bytes=400).find(rows.centered(slice(0, 3)), 2)
    assert largest == [10] * 9
    largest.clear()
    ExactSearch(rows, spy, resident=True, block_bytes=400).find(rows.centered(slice(0, 3)), 2)
    assert largest == [90]
