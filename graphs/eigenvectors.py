"""The slowest-changing functions on a graph: where its loosely connected parts are."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import ArpackNoConvergence, eigsh
from torch import Tensor

_DENSE_NODES = 200
_TOLERANCE = 1e-4
_MOST_RESTARTS = 1000


def graph_eigenvectors(
    edge_index: Tensor, num_nodes: int, count: int, seed: int
) -> NDArray[np.float64]:
    """Eigenvectors of D^-1/2 A D^-1/2 with the largest eigenvalues, largest first.

    Args:
        edge_index: Undirected graph, both directions of every edge [2, E]; edges count alike.
            Nodes without edges must have a self-loop.
        num_nodes: N.
        count: How many, in [1, N].
        seed: Fixes where the iteration starts.

    Returns:
        Orthonormal columns [N, count]. Their number is what was asked for, also where the
        iteration stopped short of its tolerance.

    Raises:
        ValueError: If ``count`` is out of range.

    Source:
        Ng, Jordan, Weiss, On spectral clustering (NIPS 2001), steps 2 and 3.
    """
    if not 1 <= count <= num_nodes:
        raise ValueError(f"'count' must be in [1, {num_nodes}], the number of nodes (got {count})")
    matrix = _normalized(edge_index, num_nodes)
    # ARPACK gives fewer than N vectors and gains nothing on small graphs.
    if num_nodes <= max(_DENSE_NODES, 2 * count + 1):
        _, vectors = np.linalg.eigh(matrix.toarray())
        return np.ascontiguousarray(vectors[:, ::-1][:, :count])
    start = np.random.default_rng(seed).standard_normal(num_nodes)
    try:
        values, vectors = eigsh(
            matrix, k=count, which="LA", v0=start, tol=_TOLERANCE, maxiter=_MOST_RESTARTS
        )
    except ArpackNoConvergence as error:
        values, vectors = _completed(error, matrix, count, seed)
    return np.ascontiguousarray(vectors[:, np.argsort(values)[::-1]])


def _normalized(edge_index: Tensor, num_nodes: int) -> csr_array:
    row, col = edge_index.cpu().numpy()
    scale = 1 / np.sqrt(np.bincount(row, minlength=num_nodes).clip(min=1))
    return csr_array((scale[row] * scale[col], (row, col)), shape=(num_nodes, num_nodes))


def _completed(
    error: ArpackNoConvergence, matrix: csr_array, count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The vectors that did converge, and random ones brought near the missing ones."""
    rest = count - error.eigenvectors.shape[1]
    rows = np.random.default_rng(seed).standard_normal((matrix.shape[0], rest))
    basis = np.hstack([error.eigenvectors, rows])
    for _ in range(50):
        basis, _ = np.linalg.qr(basis + matrix @ basis)
    values, turn = np.linalg.eigh(basis.T @ (matrix @ basis))
    return values, basis @ turn
