"""New nodes in a finished graph, against hand-made numbers and against dense matrices."""

import math

import numpy as np
import pytest
import torch

from graphs import NeighborIndex, Neighbors, knn, scale_graphs
from graphs.attach import AttachedNodes, attach, old_nodes

# On a line: 0, 1, 3, 7; with k = 1 the edges are 0-1, 1-2 and 2-3, the degrees 2, 3, 3, 2.
LINE = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)


def attached(x: np.ndarray, new: np.ndarray, k: int, **options: str) -> AttachedNodes:
    symmetrize = options.pop("symmetrize", "union")
    neighbors = knn(x, k)
    [graph] = scale_graphs(neighbors, (k,), symmetrize=symmetrize, **options)  # type: ignore[arg-type]
    old = old_nodes(graph, neighbors, k, symmetrize=symmetrize)
    nearest = NeighborIndex.build(x, k).search(new, k)
    return attach(nearest, old, **options)  # type: ignore[arg-type]


def test_degrees_are_those_of_the_finished_graph() -> None:
    neighbors = knn(LINE, 1)
    [graph] = scale_graphs(neighbors, (1,))
    assert old_nodes(graph, neighbors, 1).degrees.tolist() == pytest.approx([2, 3, 3, 2])
    [graph] = scale_graphs(neighbors, (1,), normalization="row")
    assert old_nodes(graph, neighbors, 1).degrees.tolist() == pytest.approx([2, 3, 3, 2])


def test_a_new_node_hears_its_nearest_node_and_itself() -> None:
    found = attached(LINE, np.array([[2.8], [-1.0]], dtype=np.float32), 1)
    assert found.edge_index.tolist() == [[0, 1], [2, 0]]
    # Its own degree is 2, that of node 2 is 3 and that of node 0 is 2.
    assert found.edge_weight.tolist() == pytest.approx([1 / math.sqrt(6), 1 / 2])
    assert found.loop_weight.tolist() == [0.5, 0.5]


def test_rows_are_normalised_by_the_new_degree_alone() -> None:
    found = attached(LINE, np.array([[2.8]], dtype=np.float32), 2, normalization="row")
    assert found.edge_index.tolist() == [[0, 0], [1, 2]]
    assert found.edge_weight.tolist() == pytest.approx([1 / 3, 1 / 3])
    assert found.loop_weight.tolist() == pytest.approx([1 / 3])


def test_mutual_joins_only_nodes_that_would_list_the_new_one() -> None:
    # Node 2 has its nearest at distance 2, node 3 at 4: only within that do they list others.
    new = np.array([[4.0], [5.5], [30.0]], dtype=np.float32)
    found = attached(LINE, new, 1, symmetrize="mutual")
    assert found.edge_index.tolist() == [[0, 1], [2, 3]]
    assert found.loop_weight.tolist() == [0.5, 0.5, 1.0]


def test_rows_are_those_of_the_dense_normalisation() -> None:
    generator = np.random.default_rng(0)
    x, new = generator.normal(size=(20, 3)), generator.normal(size=(5, 3))
    x, new, k, time = x.astype(np.float32), new.astype(np.float32), 4, 2.0
    squared = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(squared, np.inf)
    listed = np.zeros((20, 20), dtype=bool)
    np.put_along_axis(listed, np.argsort(squared, 1)[:, :k], True, 1)
    old = np.where(listed | listed.T, np.exp(-squared / time), 0) + np.eye(20)
    distances = ((new[:, None] - x[None]) ** 2).sum(2)
    rows = np.zeros((5, 20))
    nearest = np.argsort(distances, 1)[:, :k]
    np.put_along_axis(rows, nearest, np.exp(-np.take_along_axis(distances, nearest, 1) / time), 1)
    degree = rows.sum(1) + 1
    expected = rows / np.sqrt(np.outer(degree, old.sum(1)))

    neighbors = knn(x, k)
    [graph] = scale_graphs(neighbors, (k,), edge_weight="heat", heat_time=time)
    nodes = old_nodes(graph, neighbors, k)
    found = attach(
        NeighborIndex.build(x, k).search(new, k), nodes, edge_weight="heat", heat_time=time
    )
    dense = torch.zeros(5, 20)
    dense[found.edge_index[0], found.edge_index[1]] = found.edge_weight
    np.testing.assert_allclose(dense, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.loop_weight, 1 / degree, rtol=1e-6)


def test_a_scale_is_a_slice_of_one_search() -> None:
    generator = np.random.default_rng(1)
    x, new = generator.normal(size=(30, 4)), generator.normal(size=(6, 4))
    neighbors = knn(x, 5)
    near, _ = scale_graphs(neighbors, (2, 5))
    index = NeighborIndex.build(x, 5)
    old = old_nodes(near, neighbors, 2)
    for a, b in zip(
        attach(index.search(new, 5), old), attach(index.search(new, 2), old), strict=True
    ):
        assert torch.equal(a, b)


def test_foreign_neighbours_are_refused() -> None:
    neighbors = knn(LINE, 1)
    [graph] = scale_graphs(neighbors, (1,))
    old = old_nodes(graph, neighbors, 1)
    wrong = Neighbors(np.array([[4]]), np.zeros((1, 1), np.float32))
    with pytest.raises(ValueError, match=r"old nodes in \[0, 3\] \(got \[4, 4\]\)"):
        attach(wrong, old)
    none = Neighbors(np.empty((1, 0), np.int64), np.empty((1, 0), np.float32))
    with pytest.raises(ValueError, match=r"must hold 1 neighbours a row \(got 0\)"):
        attach(none, old)
