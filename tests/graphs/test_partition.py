"""Cells cover the nodes, stay within their size and keep together what belongs together."""

import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from graphs import knn, scale_graphs
from graphs.partition import feature_cells, metis_cells, metis_is_installed

needs_metis = pytest.mark.skipif(not metis_is_installed(), reason="pymetis is not installed")


def cliques(count: int, size: int) -> Tensor:
    """Complete graphs with self-loops, a chain of single edges between them."""
    group = torch.arange(count * size) // size
    adjacency = group[:, None] == group
    for first in range(size - 1, count * size - 1, size):
        adjacency[first, first + 1] = adjacency[first + 1, first] = True
    return adjacency.nonzero().T


def blobs(num_rows: int, groups: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centers = 20 * rng.standard_normal((groups, 6))
    noise = rng.standard_normal((num_rows, 6))
    return (centers[np.arange(num_rows) % groups] + noise).astype(np.float32)


def assert_cover(cells: NDArray[np.int64], num_nodes: int) -> None:
    """Every node is in one cell, and no cell is empty."""
    assert cells.shape == (num_nodes,)
    assert cells.dtype == np.int64
    assert np.array_equal(np.unique(cells), np.arange(cells.max() + 1))


@needs_metis
def test_metis_cuts_between_cliques() -> None:
    cells = metis_cells(cliques(4, 6), 24, 6)
    assert_cover(cells, 24)
    assert all(len(set(cells[start : start + 6])) == 1 for start in range(0, 24, 6))
    assert len(set(cells)) == 4


def test_feature_cells_are_groups_of_rows() -> None:
    cells = feature_cells(blobs(400, 4), 20)
    groups = np.arange(400) % 4
    together = cells[:, None] == cells
    # Cells may share a group, but none mixes two.
    assert not (together & (groups[:, None] != groups)).any()
    assert_cover(cells, 400)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 300), st.integers(1, 120), st.integers(1, 5), st.integers(0, 9))
def test_feature_cells_cover_the_rows_and_stay_small(
    num_rows: int, cell_size: int, groups: int, seed: int
) -> None:
    cells = feature_cells(blobs(num_rows, groups), cell_size, seed=seed)
    assert_cover(cells, num_rows)
    assert np.bincount(cells).max() <= 2 * cell_size


@needs_metis
@settings(max_examples=12, deadline=None)
@given(st.integers(3, 200), st.integers(1, 120), st.integers(0, 9))
def test_metis_cells_cover_the_nodes(num_nodes: int, cell_size: int, seed: int) -> None:
    graph = scale_graphs(knn(blobs(num_nodes, 2), 2), (2,))[0]
    cells = metis_cells(graph.edge_index, num_nodes, cell_size, seed=seed)
    assert_cover(cells, num_nodes)


def test_rows_that_are_all_alike_are_cut_all_the_same() -> None:
    cells = feature_cells(np.ones((1000, 3), np.float32), 100)
    assert_cover(cells, 1000)
    assert np.bincount(cells).max() <= 200


@needs_metis
def test_one_seed_gives_the_same_cells() -> None:
    x = blobs(600, 3)
    graph = scale_graphs(knn(x, 5), (5,))[0]
    assert np.array_equal(feature_cells(x, 50, seed=3), feature_cells(x, 50, seed=3))
    first, again = (metis_cells(graph.edge_index, 600, 50, seed=3) for _ in range(2))
    assert np.array_equal(first, again)


def test_a_memory_mapped_file_gives_the_cells_of_the_array(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    x = blobs(500, 3)
    file = tmp_path_factory.mktemp("features") / "x.npy"
    np.save(file, x)
    mapped = np.load(file, mmap_mode="r")
    assert np.array_equal(feature_cells(mapped, 60), feature_cells(x, 60))


@needs_metis
def test_one_cell_may_hold_everything() -> None:
    assert feature_cells(blobs(30, 2), 30).tolist() == [0] * 30
    assert metis_cells(cliques(2, 5), 10, 99).tolist() == [0] * 10


def test_what_cannot_be_cut_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"'cell_size' must be at least 1 \(got 0\)"):
        feature_cells(blobs(4, 1), 0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match="pip install pymetis"):
        metis_cells(cliques(2, 3), 6, 3)
