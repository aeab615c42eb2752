import numpy as np
import pytest
from numpy.typing import NDArray

import graphs.refine
from graphs.refine import certain, refine, search_again, squared_distances
from graphs.rows import Rows

LINE = np.array([[0.0], [1.0], [3.0], [7.0], [15.0], [31.0]], dtype=np.float32)


def refined(
    x: NDArray[np.float32], candidates: list[list[int]], k: int, *, direct: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    rows = Rows(x if direct else x.astype(np.float64), "l2")
    return refine(rows, x, np.arange(len(x)), np.array(candidates), k)


def test_squared_distances_are_float64_differences() -> None:
    x = np.array([[4096.0, 1.0], [4096.0, 1.0 + 2**-20]], dtype=np.float32)
    measured = squared_distances(x[:1], x, np.array([[1, 0]]))
    assert measured.tolist() == [[pytest.approx(2.0**-40), 0.0]]


@pytest.mark.parametrize("direct", [True, False])
def test_candidates_are_ordered_and_the_row_itself_dropped(direct: bool) -> None:
    candidates = [[2, 0, 1, 3]] * 2 + [[1, 0, 3, 2]] * 2 + [[3, 4, 2, 5]] * 2
    indices, distances, farthest = refined(LINE, candidates, 2, direct=direct)
    assert indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1], [3, 2], [4, 3]]
    assert distances[3].tolist() == [16, 36]
    assert farthest.tolist() == [49, 36, 16, 49, 256, 784]


def test_a_query_that_is_no_row_drops_none() -> None:
    rows = Rows(LINE, "l2")
    indices, distances, _ = refine(rows, LINE[3:4], None, np.array([[5, 3, 2]]), 2)
    assert indices.tolist() == [[3, 2]]
    assert distances.tolist() == [[0, 16]]


@pytest.mark.parametrize("direct", [True, False])
def test_what_was_not_found_is_infinitely_far(direct: bool) -> None:
    _, distances, _ = refined(LINE, [[1, -1, -1]] + [[0, 1, 2]] * 5, 2, direct=direct)
    assert distances[0].tolist() == [1, np.inf]
    assert np.isfinite(distances[3:]).all()


def test_many_candidates_are_thinned_to_the_same_neighbors() -> None:
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    everything = np.tile(np.random.default_rng(1).permutation(60), (60, 1))
    everything[:, 50] = -1
    thinned = refine(Rows(x, "l2"), x, np.arange(60), everything, 3)
    kept = np.delete(everything, 50, axis=1)
    squared = ((x[:, None].astype(np.float64) - x[kept]) ** 2).sum(axis=-1)
    squared[kept == np.arange(60)[:, None]] = np.inf
    order = np.argsort(squared, axis=1)[:, :3]
    np.testing.assert_array_equal(thinned[0], np.take_along_axis(kept, order, 1))
    np.testing.assert_allclose(thinned[1], np.take_along_axis(squared, order, 1), rtol=1e-12)


def test_only_a_margin_beyond_rounding_is_certain() -> None:
    nearest, farthest = np.array([1.0, 1.0, 1.0]), np.array([1.0, 1.001, 1.001])
    norms = np.array([1.0, 1.0, 1000.0])
    assert certain(nearest, farthest, norms, 8).tolist() == [False, True, False]


def test_searching_again_takes_the_lower_index_of_a_tie() -> None:
    x = np.array([[0.0], [2.0], [1.0], [2.0], [0.0]], dtype=np.float32)
    numbers = np.array([2, 0])
    indices, distances = search_again(Rows(x, "l2"), x[numbers], numbers, 3)
    assert indices.tolist() == [[0, 1, 3], [4, 2, 1]]
    assert distances.tolist() == [[1, 1, 1], [0, 1, 4]]


def test_searching_for_other_rows_again_finds_all() -> None:
    indices, distances = search_again(Rows(LINE, "l2"), LINE[2:3], None, 6)
    assert indices.tolist() == [[2, 1, 0, 3, 4, 5]]
    assert distances.tolist() == [[0, 4, 9, 16, 144, 784]]


@pytest.mark.parametrize("coarse", [True, False])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, coarse: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (70, 3)) if coarse else rng.normal(size=(70, 5))
    rows = Rows(x.astype(np.float32), "l2")
    plain, numbers = rows.plain(slice(0, 70)), np.arange(70)
    whole = search_again(rows, plain, numbers, 6)
    monkeypatch.setattr(graphs.refine, "_DIFFERENCE_BYTES", 2000)
    monkeypatch.setattr(graphs.refine, "_DISTANCE_BYTES", 8 * 70 * 9)
    pieces = search_again(rows, plain, numbers, 6)
    np.testing.assert_array_equal(whole[0], pieces[0])
    np.testing.assert_array_equal(whole[1], pieces[1])
