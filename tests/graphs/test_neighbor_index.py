from pathlib import Path

import numpy as np
import pytest
import torch

from graphs import NeighborIndex, knn
from tests.graphs.planted import brute_force, planted_rows

X = planted_rows(1200)
NEW = planted_rows(40, seed=0) + np.float32(0.01)
KINDS = ("exact", "ivf_flat", "ivf_sq8", "ivf_pq", "hnsw")


@pytest.fixture(scope="module", params=KINDS)
def index(request: pytest.FixtureRequest) -> NeighborIndex:
    return NeighborIndex.build(X, 5, index=request.param)


def nearest(new: np.ndarray, k: int) -> np.ndarray:
    squared = ((new[:, None].astype(np.float64) - X[None]) ** 2).sum(axis=-1)
    return np.argsort(squared, axis=1)[:, :k]


def test_its_own_neighbors_are_those_of_knn(index: NeighborIndex) -> None:
    expected = knn(X, 5, index=index.report.kind)
    found = index.neighbors()
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.squared_distances, expected.squared_distances)
    assert found.report == index.report == expected.report


def test_new_rows_find_their_nearest(index: NeighborIndex) -> None:
    found = index.search(NEW, 7)
    truth = nearest(NEW, 7)
    hits = [np.isin(row, true).mean() for row, true in zip(found.indices, truth, strict=True)]
    assert np.mean(hits) >= 0.93
    assert found.indices.dtype == np.int64
    assert found.squared_distances.dtype == np.float32
    squared = ((NEW[:, None] - X[found.indices]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(found.squared_distances, squared, rtol=1e-4)


def test_a_row_that_is_there_finds_itself(index: NeighborIndex) -> None:
    found = index.search(torch.from_numpy(X[20:24]), 1)
    assert found.indices.ravel().tolist() == [20, 21, 22, 23]
    assert found.squared_distances.ravel().tolist() == [0] * 4


def test_a_saved_index_finds_the_same(index: NeighborIndex, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    index.save(tmp_path / "index")
    loaded = NeighborIndex.load(tmp_path / "index", tmp_path / "x.npy")
    assert loaded.report == index.report
    expected, found = index.search(NEW, 7), loaded.search(NEW, 7)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.squared_distances, expected.squared_distances)
    np.testing.assert_array_equal(loaded.neighbors().indices, index.neighbors().indices)
    names = {file.name for file in (tmp_path / "index").iterdir()}
    approximate = set() if index.report.kind == "exact" else {"index.faiss"}
    assert names == {"index.json"} | approximate


def test_a_larger_k_is_searched_with_more_candidates(index: NeighborIndex) -> None:
    found = index.neighbors(20)
    truth, _ = brute_force(X, 20)
    hits = [np.isin(row, true).mean() for row, true in zip(found.indices, truth, strict=True)]
    assert np.mean(hits) >= 0.9


def test_cells_number_the_rows_of_an_inverted_file(index: NeighborIndex) -> None:
    cells = index.cells()
    if index.report.num_cells == 0:
        assert cells is None
        return
    assert cells is not None
    assert cells.shape == (1200,)
    assert 0 <= cells.min() <= cells.max() < index.report.num_cells


def test_cosine_rows_far_from_each_other_in_length_are_compared_by_angle(tmp_path: Path) -> None:
    built = NeighborIndex.build(X, 3, metric="cosine", index="ivf_flat")
    built.save(tmp_path)
    loaded = NeighborIndex.load(tmp_path, X)
    np.testing.assert_array_equal(
        loaded.search(NEW * 1000, 3).indices, built.search(NEW, 3).indices
    )
    with pytest.raises(ValueError, match="zero in 1 of 2 rows: 1"):
        loaded.search(np.array([X[0], np.zeros(32)]), 1)


def test_new_rows_may_be_far_larger_than_the_indexed(index: NeighborIndex) -> None:
    found = index.search(X[:3] * np.float32(1e6), 1)
    assert np.isfinite(found.squared_distances).all()


def test_new_rows_must_fit() -> None:
    index = NeighborIndex.build(X, 3)
    with pytest.raises(ValueError, match=r"'x' must have 32 columns, .* \(got 31\)"):
        index.search(X[:, :31], 3)
    with pytest.raises(ValueError, match=r"'k' must be in \[1, 1200\] for 1200 nodes \(got 1201\)"):
        index.search(NEW, 1201)
    with pytest.raises(ValueError, match=r"1 of 40 rows: 6"):
        index.search(np.where(np.arange(40)[:, None] == 6, np.nan, NEW), 3)
    assert index.search(NEW[:1], 1200).indices.shape == (1, 1200)


def test_other_rows_than_the_indexed_are_refused(tmp_path: Path) -> None:
    NeighborIndex.build(X, 3, index="ivf_pq").save(tmp_path)
    for other in (X[:-1], X + 1, X[:, :31]):
        with pytest.raises(ValueError, match=r"'x' must be the rows of the index in .*1,200 x 32"):
            NeighborIndex.load(tmp_path, other)


def test_an_index_of_other_rows_is_refused(tmp_path: Path) -> None:
    NeighborIndex.build(X, 3, index="hnsw").save(tmp_path / "one")
    NeighborIndex.build(X[:700], 3, index="hnsw").save(tmp_path / "two")
    (tmp_path / "two" / "index.faiss").replace(tmp_path / "one" / "index.faiss")
    with pytest.raises(ValueError, match=r"index\.faiss' indexes other rows; build it anew"):
        NeighborIndex.load(tmp_path / "one", X)


def test_an_absent_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent or damaged; build the index anew"):
        NeighborIndex.load(tmp_path, X)
