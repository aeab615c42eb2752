import numpy as np
import pytest

from graphs import knn
from iciclegcn.evaluation.near_duplicates import NearDuplicates, find_near_duplicates


def search(x: np.ndarray, k: int = 5) -> NearDuplicates:
    found = knn(x.astype(np.float32), k)
    return find_near_duplicates(found.indices, found.squared_distances)


def scattered(count: int = 100) -> np.ndarray:
    """Rows of which no two are close: a shaken lattice."""
    side = int(np.ceil(np.sqrt(count)))
    lattice = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    shaken = lattice + np.random.default_rng(0).uniform(-0.1, 0.1, lattice.shape)
    return np.asarray(shaken[:count])


def test_rows_apart_have_no_duplicates() -> None:
    found = search(scattered())
    assert [len(part) for part in found] == [0, 0, 0]


def test_near_copies_are_grouped_and_measured() -> None:
    x = scattered()
    x[70] = x[3] + [0.125, 0]
    x[5] = x[70] + [0, 0.0625]
    x[90] = x[20]
    found = search(x)
    assert found.groups.tolist() == [0, 0, 0, 1, 1]
    assert found.indices.tolist() == [3, 5, 70, 20, 90]
    np.testing.assert_allclose(found.distances, [0.125, 0.0625, 0.0625, 0, 0], atol=1e-6)


def test_close_is_relative_to_the_rows_around() -> None:
    x = scattered()
    x[70] = x[3] + [0.25, 0]
    tiny, huge = search(x * 1e-3), search(x * 1e3)
    assert tiny.indices.tolist() == huge.indices.tolist() == [3, 70]
    corner = [50.0, 50.0]  # where such distances are usual
    dense = np.concatenate([np.delete(x, 70, axis=0), corner + scattered(25) * 0.25])
    assert len(search(dense).indices) == 0


def test_more_copies_than_neighbours_are_still_one_group() -> None:
    x = scattered()
    x[40:60] = x[40] + np.random.default_rng(0).normal(0, 1e-4, (20, 2))
    found = search(x)
    assert set(found.groups) == {0}
    assert found.indices.tolist() == list(range(40, 60))


def test_one_neighbour_a_list_tells_exact_copies() -> None:
    x = scattered()
    x[70], x[30] = x[3], x[31] + 0.3
    assert search(x, k=1).indices.tolist() == [3, 70]


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        find_near_duplicates(np.zeros((3, 2), np.int64), np.zeros((3, 1)))
