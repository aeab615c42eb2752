import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import connected_components, graph_summary, homophily

# 0 - 1 - 2, 3 alone with a self-loop, 4 alone.
EDGES = torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 1, 3]])


def test_summary_of_five_nodes() -> None:
    summary = graph_summary(EDGES, 5)
    assert summary.num_nodes == 5
    assert summary.num_edges == 2
    assert summary.degree_mean == pytest.approx(4 / 5)
    assert (summary.degree_min, summary.degree_max) == (0, 2)
    assert summary.isolated_nodes == 2
    assert summary.components == 3


def test_a_summary_is_one_line_for_people() -> None:
    assert str(graph_summary(EDGES, 5)) == (
        "2 edges, degree 0 to 2 (mean 0.8), 3 components, 2 isolated"
    )


def test_components_are_numbered_by_their_lowest_member() -> None:
    edges = torch.tensor([[4, 5, 2, 0], [5, 3, 3, 0]])
    assert connected_components(edges, 7).tolist() == [0, 1, 2, 2, 2, 2, 3]
    assert connected_components(torch.empty(2, 0, dtype=torch.int64), 3).tolist() == [0, 1, 2]


@settings(max_examples=40, deadline=None)
@given(
    num_nodes=st.integers(1, 20),
    pairs=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=25),
)
def test_components_are_what_a_walk_reaches(num_nodes: int, pairs: list[tuple[int, int]]) -> None:
    pairs = [(a % num_nodes, b % num_nodes) for a, b in pairs]
    reach = [{node} for node in range(num_nodes)]
    for a, b in pairs:
        merged = reach[a] | reach[b]
        for node in merged:
            reach[node] = merged
    edges = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    found = connected_components(edges, num_nodes).tolist()
    for a in range(num_nodes):
        assert {b for b in range(num_nodes) if found[b] == found[a]} == reach[a]


def test_homophily_counts_edges_within_classes() -> None:
    assert homophily(EDGES, torch.tensor([7, 7, 1, 0, 0])) == pytest.approx(0.5)
    assert math.isnan(homophily(torch.tensor([[0], [0]]), torch.tensor([1])))


def test_edges_outside_the_graph_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must name nodes in \[0, 2\] \(got \[0, 3\]\)"):
        graph_summary(EDGES, 3)
    with pytest.raises(ValueError, match=r"'edge_index' must be \[2, E\]"):
        graph_summary(EDGES.T, 5)
    with pytest.raises(ValueError, match=r"'num_nodes' must be at least 1"):
        graph_summary(EDGES[:, :0], 0)
