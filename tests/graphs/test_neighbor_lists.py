import numpy as np
import pytest
from numpy.typing import NDArray

from graphs.backends import Found, faiss_cpu
from graphs.exact import ExactSearch
from graphs.neighbor_lists import neighbor_lists
from graphs.rows import Rows
from tests.graphs.planted import brute_force

X = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
INDICES, SQUARED = brute_force(X, 5)


class Fixed:
    """Finds what it is told to."""

    def __init__(self, found: list[int]) -> None:
        self._found = np.array(found)

    def find(self, queries: NDArray[np.float32], m: int) -> NDArray[np.int64]:
        return np.tile(self._found[:m], (len(queries), 1))


def exact(rows: Rows) -> ExactSearch:
    return ExactSearch(rows, faiss_cpu, resident=True, block_bytes=2**20)


def products(queries: NDArray[np.float32], base: NDArray[np.float32], m: int) -> Found:
    """A search by |a|^2 + |b|^2 - 2ab in float32."""
    squared = (queries**2).sum(1)[:, None] + (base**2).sum(1) - 2 * queries @ base.T
    found = np.argsort(squared, axis=1)[:, :m]
    return np.take_along_axis(squared, found, 1), found


@pytest.mark.parametrize("block_bytes", [1, 3000, 2**20])
@pytest.mark.parametrize("direct", [True, False])
def test_blocks_of_queries_change_nothing(block_bytes: int, direct: bool) -> None:
    rows = Rows(X if direct else X.astype(np.float64), "l2")
    indices, distances = neighbor_lists(rows, exact(rows), 5, 10, block_bytes)
    np.testing.assert_array_equal(indices, INDICES)
    np.testing.assert_allclose(distances, SQUARED, rtol=1e-12)


def test_some_rows_come_in_the_order_asked_for() -> None:
    rows = Rows(X, "l2")
    numbers = np.array([70, 3, 3, 12])
    indices, _ = neighbor_lists(rows, exact(rows), 5, 10, 2**20, numbers=numbers)
    np.testing.assert_array_equal(indices, INDICES[numbers])


def test_other_rows_find_their_equals() -> None:
    rows = Rows(X, "l2")
    queries = Rows(X[[9, 4]], "l2", rows.frame)
    indices, distances = neighbor_lists(rows, exact(rows), 3, 8, 2**20, queries=queries)
    assert indices[:, 0].tolist() == [9, 4]
    assert distances[:, 0].tolist() == [0, 0]
    np.testing.assert_array_equal(indices[:, 1:], INDICES[[9, 4], :2])


def test_too_few_candidates_are_searched_again() -> None:
    rows = Rows(X, "l2")
    search = Fixed([2, -1, -1, -1, -1])
    indices, distances = neighbor_lists(rows, search, 3, 5, 2**20)
    np.testing.assert_array_equal(indices, INDICES[:, :3])
    np.testing.assert_allclose(distances, SQUARED[:, :3], rtol=1e-12)


def test_without_repair_what_is_missing_is_infinitely_far() -> None:
    rows = Rows(X, "l2")
    _, distances = neighbor_lists(rows, Fixed([2, 5, -1]), 2, 3, 2**20, repair=False)
    assert np.isinf(distances[2, 1])
    assert np.isfinite(np.delete(distances, [2, 5], axis=0)).all()


def test_an_exact_search_whose_rounding_errs_is_repaired() -> None:
    # Half of the rows are far from any centre: float32 products know no distance there.
    far = X + np.where(np.arange(80) % 2, 1e4, -1e4)[:, None].astype(np.float32)
    rows = Rows(far, "l2")
    truth, _ = brute_force(far, 5)
    search = ExactSearch(rows, products, resident=True, block_bytes=2**20)
    spoilt, _ = neighbor_lists(rows, search, 5, 10, 2**20, repair=False)
    mended, _ = neighbor_lists(rows, search, 5, 10, 2**20)
    assert not np.array_equal(spoilt, truth)
    np.testing.assert_array_equal(mended, truth)
