"""Subgraphs against the rows and columns of the dense matrix."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from iciclegcn.nn.propagate import Propagation, prepare_propagation
from iciclegcn.nn.subgraph import InducedSubgraphs

N = 24


def random_matrix(seed: int, *, symmetric: bool) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(N, N, generator=generator)
    matrix *= torch.rand(N, N, generator=generator) < 0.3
    return matrix + matrix.T if symmetric else matrix


def prepared(matrix: Tensor) -> Propagation:
    target, source = matrix.nonzero().T
    return prepare_propagation(torch.stack([source, target]), matrix[target, source], len(matrix))


def dense(graph: Propagation, *, transposed: bool = False) -> Tensor:
    rowptr, col, weight = graph.transposed if transposed else graph.rows
    row = torch.arange(graph.num_nodes).repeat_interleave(rowptr.long().diff())
    matrix = torch.zeros(graph.num_nodes, graph.num_nodes)
    matrix[row, col.long()] = weight
    return matrix


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, N), min_size=2, max_size=8, unique=True),
    st.booleans(),
    st.integers(0, 99),
)
def test_the_subgraph_is_rows_and_columns_of_the_matrix(
    bounds: list[int], symmetric: bool, seed: int
) -> None:
    bounds.sort()
    spans = [slice(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    nodes = torch.cat([torch.arange(N)[span] for span in spans])
    matrices = [random_matrix(seed, symmetric=symmetric), random_matrix(seed + 1, symmetric=True)]
    take = InducedSubgraphs([prepared(matrix) for matrix in matrices])
    for _ in range(2):  # one call leaves nothing behind for the next
        for matrix, graph in zip(matrices, take(spans), strict=True):
            assert torch.equal(dense(graph), matrix[nodes][:, nodes])
            assert torch.equal(dense(graph, transposed=True), matrix[nodes][:, nodes].T)


def test_a_symmetric_graph_stays_one_object() -> None:
    matrix = random_matrix(0, symmetric=True)
    [graph] = InducedSubgraphs([prepared(matrix)])([slice(3, 9)])
    assert graph.transposed is graph.rows
    [whole] = InducedSubgraphs([prepared(matrix)])([slice(0, N)])
    for part, expected in zip(whole.rows, prepared(matrix).rows, strict=True):
        assert torch.equal(part, expected)
        assert part.dtype == expected.dtype


@pytest.mark.parametrize("span", [slice(0, 0), slice(2, 4)])
def test_nodes_without_edges_between_them_have_empty_rows(span: slice) -> None:
    matrix = torch.zeros(N, N)
    matrix[2, 7] = matrix[7, 2] = 1
    [graph] = InducedSubgraphs([prepared(matrix)])([span])
    assert graph.num_nodes == span.stop - span.start
    assert graph.rows.col.numel() == 0
