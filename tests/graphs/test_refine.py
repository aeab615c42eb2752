import numpy as np
import pytest
from numpy.typing import NDArray

import graphs.refine
from graphs.refine import refine, search_again, squared_distances

LINE = np.array([[0.0], [1.0], [3.0], [7.0], [15.0], [31.0]], dtype=np.float32)


def norms(x: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(x.astype(np.float64), axis=1))


def test_squared_distances_are_float64_differences() -> None:
    x = np.array([[4096.0, 1.0], [4096.0, 1.0 + 2**-20]], dtype=np.float32)
    measured = squared_distances(x, np.array([0]), np.array([[1, 0]]))
    assert measured.tolist() == [[pytest.approx(2.0**-40), 0.0]]


def test_candidates_are_ordered_and_the_row_itself_dropped() -> None:
    candidates = np.array([[2, 0, 1, 3]] * 2 + [[1, 0, 3, 2]] * 2 + [[3, 4, 2, 5]] * 2)
    indices, distances = refine(LINE, candidates, norms(LINE), 2)
    assert indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1], [3, 2], [4, 3]]
    assert distances[3].tolist() == [16, 36]


def test_a_list_without_a_margin_is_searched_again() -> None:
    # Rows 0 and 1 are each other's nearest, and the search missed it: the candidates of row 0
    # are tied, so nothing shows that no nearer row was left out.
    x = np.array([[100.0, 0.0], [100.0, 0.001], [100.0, 0.002], [100.0, -0.002]], dtype=np.float32)
    candidates = np.array([[2, 3], [0, 2], [1, 0], [0, 1]])
    indices, _ = refine(x, candidates, norms(x), 1)
    assert indices.ravel().tolist() == [1, 0, 1, 0]


def test_a_list_with_a_margin_is_not_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []
    real = graphs.refine.search_again

    def spy(x: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        searched.extend(rows.tolist())
        return real(x, rows, k)

    monkeypatch.setattr(graphs.refine, "search_again", spy)
    candidates = np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0], [3, 2, 1], [4, 3, 2], [5, 4, 3]])
    refine(LINE, candidates, norms(LINE), 1)
    assert searched == []


def test_searching_again_takes_the_lower_index_of_a_tie() -> None:
    x = np.array([[0.0], [2.0], [1.0], [2.0], [0.0]], dtype=np.float32)
    indices, distances = search_again(x, np.array([2, 0]), 3)
    assert indices.tolist() == [[0, 1, 3], [4, 2, 1]]
    assert distances.tolist() == [[1, 1, 1], [0, 1, 4]]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(70, 5)).astype(np.float32)
    rows = np.arange(70)
    whole = search_again(x, rows, 6)
    monkeypatch.setattr(graphs.refine, "_DIFFERENCE_BYTES", 2000)
    monkeypatch.setattr(graphs.refine, "_DISTANCE_BYTES", 2000)
    pieces = search_again(x, rows, 6)
    np.testing.assert_array_equal(whole[0], pieces[0])
    np.testing.assert_allclose(whole[1], pieces[1], rtol=1e-12)
