"""The slowest-changing functions on a graph: where its loosely connected parts are."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

_DENSE_NODES = 200
_TOLERANCE = 1e-4
_MOST_RESTARTS = 1000

Vectors = NDArray[np.float64]


def graph_eigenvectors(edge_index: Tensor, num_nodes: int, count: int, seed: int) -> Vectors:
    """Eigenvectors of D^-1/2 A D^-1/2 with the largest eigenvalues, largest first.

    Of the eigenvalue 1 there are as many as the graph has components, and they are written down
    rather than looked for: an iteration finds one of them. Of more components than ``count`` the
    largest are taken.

    Args:
        edge_index: Undirected graph, both directions of every edge [2, E]; edges count alike.
            Nodes without edges must have a self-loop.
        num_nodes: N.
        count: How many, in [1, N].
        seed: Fixes where the iteration starts.

    Returns:
        Orthonormal columns [N, count], to a few digits.

    Raises:
        ValueError: If ``count`` is out of range.

    Source:
        Ng, Jordan, Weiss, On spectral clustering (NIPS 2001), steps 2 and 3.
    """
    if not 1 <= count <= num_nodes:
        raise ValueError(f"'count' must be in [1, {num_nodes}], the number of nodes (got {count})")
    row, col = edge_index.cpu().numpy()
    root = np.sqrt(np.bincount(row, minlength=num_nodes).clip(min=1))
    matrix = csr_array((1 / (root[row] * root[col]), (row, col)), shape=(num_nodes, num_nodes))
    num_parts, part = connected_components(matrix, directed=False)
    # D^1/2 on one component, 0 elsewhere, of norm 1.
    norms = np.sqrt(np.bincount(part, root**2))
    first = root / norms[part]
    parts = np.argsort(-np.bincount(part), kind="stable")[:count]
    known = np.where(part[:, None] == parts, first[:, None], 0.0)
    missing = count - len(parts)
    if not missing:
        return known
    # ARPACK gives fewer than N vectors, and gains nothing on small graphs.
    if num_nodes <= max(_DENSE_NODES, 2 * count + num_parts + 1):
        # At eigenvalue -1 the known ones come last, also where others are negative.
        _, vectors = np.linalg.eigh(matrix.toarray() - 2 * known @ known.T)
        return np.hstack([known, vectors[:, ::-1][:, :missing]])

    def without_parts(v: Vectors) -> Vectors:
        # Here too they are at -1.
        result: Vectors = matrix @ v - 2 * first * np.bincount(part, first * v)[part]
        return result

    found = _largest(
        LinearOperator(matrix.shape, matvec=lambda v: without_parts(v.ravel())), missing, seed
    )
    return np.hstack([known, found])


def _largest(operator: LinearOperator, count: int, seed: int) -> Vectors:
    """Eigenvectors with the largest eigenvalues, largest first."""
    num_nodes = operator.shape[0]
    start = np.random.default_rng(seed).standard_normal(num_nodes)
    try:
        values, vectors = eigsh(
            operator, k=count, which="LA", v0=start, tol=_TOLERANCE, maxiter=_MOST_RESTARTS
        )
    except ArpackNoConvergence as error:
        # The vectors that did converge, and random ones brought near the missing ones.
        rest = count - error.eigenvectors.shape[1]
        rows = np.random.default_rng(seed).standard_normal((num_nodes, rest))
        basis = np.hstack([error.eigenvectors, rows])
        for _ in range(50):
            basis, _ = np.linalg.qr(basis + operator @ basis)
        values, turn = np.linalg.eigh(basis.T @ (operator @ basis))
        vectors = basis @ turn
    return np.ascontiguousarray(vectors[:, np.argsort(values)[::-1]])
