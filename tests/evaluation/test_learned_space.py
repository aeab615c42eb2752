import numpy as np
import pytest

from iciclegcn.evaluation import learned_space as module
from iciclegcn.evaluation.learned_space import learned_space

PAIRS = np.array([[1], [0], [3], [2]])  # two pairs of neighbours
X = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])


def test_distances_are_those_of_rows_of_length_one() -> None:
    rows = learned_space(3 * X, PAIRS, steps=0)
    found = np.linalg.norm(rows[:, None] - rows, axis=2)
    np.testing.assert_allclose(found, np.linalg.norm(X[:, None] - X, axis=2), atol=1e-6)
    assert rows.dtype == np.float32


def test_a_step_averages_a_row_with_its_neighbours_on_either_side() -> None:
    rows = learned_space(X, PAIRS, steps=1)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
    start = learned_space(X, PAIRS, steps=0)
    np.testing.assert_allclose(rows[0], start[:2].mean(axis=0), atol=1e-6)
    listed = np.array([[1], [2], [3], [2]])  # row 2 is listed by 1 and 3, and lists 3
    rows = learned_space(X, listed, steps=1)
    np.testing.assert_allclose(rows[2], start[1:].mean(axis=0), atol=1e-6)


def test_the_main_components_are_kept() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)) * [5, 4, 0.1, 0.1, 0.1] + [0, 0, 9, 0, 0]
    neighbors = np.roll(np.arange(200), 1)[:, None]
    rows = learned_space(x, neighbors, steps=0, dim=2)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert rows.shape == (200, 2)
    assert rows.var(axis=0).sum() > 0.95 * unit.var(axis=0).sum()


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, neighbors = rng.normal(size=(50, 4)), rng.integers(0, 50, (50, 3))
    whole = learned_space(x, neighbors)
    monkeypatch.setattr(module, "_ROWS_AT_A_TIME", 7)
    np.testing.assert_allclose(learned_space(x, neighbors), whole, atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="must have one length"):
        learned_space(X, PAIRS[:2])
    with pytest.raises(ValueError, match="'dim' 1 or more"):
        learned_space(X, PAIRS, dim=0)
