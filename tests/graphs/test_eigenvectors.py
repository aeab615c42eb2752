import numpy as np
import pytest
import torch
from torch import Tensor

from graphs import eigenvectors
from graphs.eigenvectors import graph_eigenvectors


def ring(size: int) -> Tensor:
    """A ring with self-loops: both directions of every edge [2, 3 * size]."""
    nodes = torch.arange(size)
    after = (nodes + 1) % size
    row, col = torch.cat([nodes, nodes, after]), torch.cat([nodes, after, nodes])
    return torch.stack([row, col])


def random_graph(size: int) -> Tensor:
    """A path with loops and random chords, in one piece."""
    rng = np.random.default_rng(0)
    dense = np.eye(size) + np.eye(size, k=1) + (rng.random((size, size)) < 1 / size)
    return torch.from_numpy(np.stack(np.nonzero(dense + dense.T)))


def normalized(edge_index: Tensor) -> np.ndarray:
    size = int(edge_index.max()) + 1
    matrix = np.zeros((size, size))
    matrix[edge_index[0], edge_index[1]] = 1
    scale = 1 / np.sqrt(matrix.sum(axis=1))
    return np.asarray(scale[:, None] * matrix * scale)


def rayleigh(edge_index: Tensor, vectors: np.ndarray) -> np.ndarray:
    """Eigenvalues that the columns belong to."""
    return np.asarray(np.sum(vectors * (normalized(edge_index) @ vectors), axis=0))


def test_eigenvalues_of_a_ring_are_known() -> None:
    # A ring with loops has degree 3 everywhere: (1 + 2 cos(2 pi j / n)) / 3.
    vectors = graph_eigenvectors(ring(40), 40, 5, seed=0)
    expected = (1 + 2 * np.cos(2 * np.pi * np.array([0, 1, 1, 2, 2]) / 40)) / 3
    np.testing.assert_allclose(rayleigh(ring(40), vectors), expected, atol=1e-9)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-9)


def test_a_larger_graph_gives_what_its_dense_matrix_gives() -> None:
    graph = random_graph(300)
    vectors = graph_eigenvectors(graph, 300, 6, seed=0)
    expected = np.linalg.eigvalsh(normalized(graph))[::-1][:6]
    np.testing.assert_allclose(rayleigh(graph, vectors), expected, atol=1e-6)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-3)


def test_the_first_vector_follows_the_degrees() -> None:
    # A star: one node of degree 4, with its loop, and three of degree 2.
    row = torch.tensor([0, 1, 2, 3, 0, 0, 0, 1, 2, 3])
    col = torch.tensor([0, 1, 2, 3, 1, 2, 3, 0, 0, 0])
    first = graph_eigenvectors(torch.stack([row, col]), 4, 1, seed=0)[:, 0]
    expected = np.sqrt([4, 2, 2, 2]) / np.sqrt(10)
    np.testing.assert_allclose(np.abs(first), expected, rtol=1e-6)


def test_every_component_has_a_vector_of_its_own() -> None:
    parts = torch.cat([ring(100), ring(150) + 100, ring(50) + 250], dim=1)
    vectors = graph_eigenvectors(parts, 300, 3, seed=1)
    expected = np.zeros((300, 3))  # the largest first
    expected[100:250, 0] = 1 / np.sqrt(150)
    expected[:100, 1] = 1 / np.sqrt(100)
    expected[250:, 2] = 1 / np.sqrt(50)
    np.testing.assert_allclose(vectors, expected, atol=1e-12)
    fewer = graph_eigenvectors(parts, 300, 2, seed=1)
    np.testing.assert_array_equal(fewer, vectors[:, :2])


@pytest.mark.parametrize("sizes", [(20, 30), (150, 200)])
def test_the_vectors_after_the_components_are_those_of_the_rest(sizes: tuple[int, int]) -> None:
    small, large = sizes
    parts = torch.cat([random_graph(small), random_graph(large) + small], dim=1)
    vectors = graph_eigenvectors(parts, small + large, 5, seed=1)
    expected = np.linalg.eigvalsh(normalized(parts))[::-1][:5]
    np.testing.assert_allclose(expected[:2], 1)
    np.testing.assert_allclose(rayleigh(parts, vectors), expected, atol=1e-5)


def test_known_vectors_do_not_come_again_before_negative_eigenvalues() -> None:
    ring_of_three = torch.tensor([[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]])
    vectors = graph_eigenvectors(ring_of_three, 3, 3, seed=0)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rayleigh(ring_of_three, vectors), [1, -0.5, -0.5], atol=1e-12)


def test_an_iteration_does_not_find_them_again_either() -> None:
    clique = (~torch.eye(120, dtype=torch.bool)).nonzero().T  # all others are -1/119
    parts = torch.cat([clique, clique + 120], dim=1)
    vectors = graph_eigenvectors(parts, 240, 4, seed=0)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(4), atol=1e-3)


def test_the_same_seed_gives_the_same_vectors() -> None:
    graph = random_graph(300)
    first = graph_eigenvectors(graph, 300, 4, seed=3)
    np.testing.assert_array_equal(first, graph_eigenvectors(graph, 300, 4, seed=3))


def test_an_iteration_that_stops_short_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eigenvectors, "_MOST_RESTARTS", 1)
    monkeypatch.setattr(eigenvectors, "_TOLERANCE", 1e-14)
    vectors = graph_eigenvectors(ring(300), 300, 6, seed=0)
    assert vectors.shape == (300, 6)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-6)
    assert rayleigh(ring(300), vectors).min() > 0.97


@pytest.mark.parametrize("count", [0, 41])
def test_the_number_must_fit(count: int) -> None:
    with pytest.raises(ValueError, match=rf"'count' must be in \[1, 40\].*got {count}"):
        graph_eigenvectors(ring(40), 40, count, seed=0)
