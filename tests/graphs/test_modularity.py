import pytest
import torch
from torch import Tensor

from graphs.modularity import modularity


def two_triangles() -> Tensor:
    """Two triangles joined by the edge 2-3."""
    pairs = torch.tensor([[0, 1], [1, 2], [0, 2], [3, 4], [4, 5], [3, 5], [2, 3]]).T
    return torch.cat([pairs, pairs.flip(0)], dim=1)


def test_modularity_of_two_triangles_is_known() -> None:
    # 6 of 7 edges inside; each side holds half of the degrees: 6/7 - 2 * (1/2)^2.
    value = modularity(two_triangles(), torch.tensor([0, 0, 0, 1, 1, 1]))
    assert value == pytest.approx(6 / 7 - 1 / 2)


def test_modularity_of_one_cluster_is_zero() -> None:
    assert modularity(two_triangles(), torch.zeros(6, dtype=torch.long)) == pytest.approx(0)


def test_modularity_ignores_self_loops_and_cluster_names() -> None:
    loops = torch.arange(6).repeat(2, 1)
    edges = torch.cat([two_triangles(), loops], dim=1)
    value = modularity(edges, torch.tensor([7, 7, 7, 2, 2, 2]))
    assert value == pytest.approx(6 / 7 - 1 / 2)


def test_modularity_prefers_the_cut_with_fewer_edges() -> None:
    good = modularity(two_triangles(), torch.tensor([0, 0, 0, 1, 1, 1]))
    bad = modularity(two_triangles(), torch.tensor([0, 0, 1, 1, 1, 1]))
    assert good > bad


def test_modularity_of_a_graph_without_edges_is_zero() -> None:
    assert modularity(torch.empty(2, 0, dtype=torch.long), torch.tensor([0, 1])) == 0.0
