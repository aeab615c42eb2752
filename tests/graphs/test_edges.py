import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import Neighbors, ScaleGraph, knn, scale_graphs

GOLDEN = Path(__file__).parents[1] / "golden"


def dense(graph: ScaleGraph, num_nodes: int) -> np.ndarray:
    matrix = np.zeros((num_nodes, num_nodes))
    matrix[tuple(graph.edge_index.numpy())] = graph.edge_weight.numpy()
    return matrix


def neighbors(lists: list[list[int]], squared: list[list[float]] | None = None) -> Neighbors:
    indices = np.array(lists)
    distances = np.ones(indices.shape) if squared is None else np.array(squared)
    return Neighbors(indices, distances.astype(np.float32))


# 0 -> 1, 1 -> 0, 2 -> 1: the first pair is mutual, 2 is not listed.
CHAIN = neighbors([[1], [0], [1]], [[1.0], [1.0], [4.0]])


@pytest.mark.parametrize(
    ("name", "normalization"), [("graph_official", "row"), ("graph_paper", "symmetric")]
)
def test_scale_graphs_agree_with_golden_adjacencies(name: str, normalization: str) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    graphs = scale_graphs(knn(golden["x"], 10), [1, 10], normalization=normalization)
    np.testing.assert_allclose(dense(graphs[0], 60), golden["adj_k1"], rtol=1e-6)
    np.testing.assert_allclose(dense(graphs[1], 60), golden["adj_k10"], rtol=1e-6)


def test_union_keeps_an_edge_that_one_side_lists() -> None:
    (graph,) = scale_graphs(CHAIN, [1])
    assert graph.edge_index.tolist() == [[0, 0, 1, 1, 1, 2, 2], [0, 1, 0, 1, 2, 1, 2]]
    # Degrees with self-loops: 2, 3, 2.
    expected = [1 / 2, 6**-0.5, 6**-0.5, 1 / 3, 6**-0.5, 6**-0.5, 1 / 2]
    assert graph.edge_weight.tolist() == pytest.approx(expected)
    assert graph.edge_index.dtype == torch.int64
    assert graph.edge_weight.dtype == torch.float32


def test_mutual_keeps_an_edge_that_both_sides_list() -> None:
    (graph,) = scale_graphs(CHAIN, [1], symmetrize="mutual")
    assert graph.edge_index.tolist() == [[0, 0, 1, 1, 2], [0, 1, 0, 1, 2]]
    assert graph.edge_weight.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5, 1.0])


def test_row_weights_average_over_the_row() -> None:
    # The first row of edge_index is the target: out_1 averages 0, 1 and 2.
    (graph,) = scale_graphs(CHAIN, [1], normalization="row")
    x = np.array([10.0, 20.0, 60.0])
    assert (dense(graph, 3) @ x).tolist() == pytest.approx([15.0, 30.0, 40.0])


def test_heat_weights_are_eq_8() -> None:
    (graph,) = scale_graphs(CHAIN, [1], edge_weight="heat", heat_time=2.0, normalization="row")
    near, far = math.exp(-1 / 2), math.exp(-4 / 2)
    total = 1 + near + far
    expected = [
        [1 / (1 + near), near / (1 + near), 0],
        [near / total, 1 / total, far / total],
        [0, far / (1 + far), 1 / (1 + far)],
    ]
    np.testing.assert_allclose(dense(graph, 3), expected, rtol=1e-6)


def test_scales_come_in_the_order_asked_for() -> None:
    found = knn(np.random.default_rng(0).normal(size=(50, 4)), 8)
    five, one, eight = scale_graphs(found, [5, 1, 8])
    assert one.edge_index.shape[1] < five.edge_index.shape[1] < eight.edge_index.shape[1]
    (alone,) = scale_graphs(found, [5])
    assert torch.equal(alone.edge_index, five.edge_index)
    assert torch.equal(alone.edge_weight, five.edge_weight)


@settings(max_examples=40, deadline=None)
@given(
    num_nodes=st.integers(2, 25),
    seed=st.integers(0, 10_000),
    symmetrize=st.sampled_from(["union", "mutual"]),
    edge_weight=st.sampled_from(["binary", "heat"]),
    data=st.data(),
)
def test_properties_of_every_graph(
    num_nodes: int, seed: int, symmetrize: str, edge_weight: str, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, num_nodes - 1))
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num_nodes, 3))

    def build(rows: np.ndarray, normalization: str) -> ScaleGraph:
        return scale_graphs(
            knn(rows, k),
            [k],
            symmetrize=symmetrize,
            edge_weight=edge_weight,
            heat_time=5.0,
            normalization=normalization,
        )[0]

    graph = build(x, "symmetric")
    row, col = graph.edge_index
    key = row * num_nodes + col
    assert (key.diff() > 0).all()  # Sorted, no edge twice.
    assert int((row == col).sum()) == num_nodes
    symmetric = dense(graph, num_nodes)
    np.testing.assert_array_equal(symmetric, symmetric.T)
    # D^-1/2 (A + I) D^-1/2 has no eigenvalue beyond 1 and reaches it.
    assert np.linalg.eigvalsh(symmetric)[-1] == pytest.approx(1.0, abs=1e-6)
    averaging = dense(build(x, "row"), num_nodes)
    np.testing.assert_allclose(averaging.sum(axis=1), 1, rtol=1e-6)
    order = rng.permutation(num_nodes)
    np.testing.assert_allclose(
        dense(build(x[order], "symmetric"), num_nodes), symmetric[np.ix_(order, order)], rtol=1e-6
    )


@pytest.mark.parametrize("k_list", [[], [0], [1, 4]])
def test_k_beyond_the_search_is_refused(k_list: list[int]) -> None:
    found = knn(np.eye(6), 3)
    with pytest.raises(ValueError, match=r"'k_list' must be one or more in \[1, 3\]"):
        scale_graphs(found, k_list)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("symmetrize", "both", r"'symmetrize' must be union or mutual \(got 'both'\)"),
        ("edge_weight", "cosine", r"'edge_weight' must be binary or heat \(got 'cosine'\)"),
        ("normalization", "none", r"'normalization' must be symmetric or row \(got 'none'\)"),
        ("heat_time", 0.0, r"'heat_time' must be positive \(got 0.0\)"),
        ("heat_time", math.nan, r"'heat_time' must be positive \(got nan\)"),
    ],
)
def test_unknown_options_are_refused(option: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scale_graphs(CHAIN, [1], **{option: value})  # type: ignore[arg-type]


def test_a_heat_kernel_that_forgets_every_edge_is_refused() -> None:
    far = neighbors([[1], [0]], [[4000.0], [4000.0]])
    with pytest.raises(ValueError, match=r"median d\^2 4e\+03\); try that median"):
        scale_graphs(far, [1], edge_weight="heat")


@pytest.mark.parametrize("lists", [[[0], [0]], [[2], [0]], [[-1], [0]]], ids=str)
def test_lists_that_are_no_neighbors_are_refused(lists: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"'neighbors.indices' must be other rows in \[0, 1\]"):
        scale_graphs(neighbors(lists), [1])


def test_shapes_that_disagree_are_refused() -> None:
    broken = Neighbors(np.array([[1], [0]]), np.ones((2, 2), dtype=np.float32))
    with pytest.raises(ValueError, match=r"one shape \[N, k\] \(got \(2, 1\) and \(2, 2\)\)"):
        scale_graphs(broken, [1])
