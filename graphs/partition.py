"""Cells of nodes, for graphs too large for one training step."""

import importlib.util

import faiss
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_BLOCK_ROWS = 65_536
_TRAINING_ROWS = 256  # of a cell, for its centre
_ITERATIONS = 10  # of k-means: cells need to be compact, not optimal
_SAMPLE_ROWS = 1024  # of a cell too large, for the direction in which it is cut


def metis_is_installed() -> bool:
    """Whether `metis_cells` can work: pymetis is an optional extra."""
    return importlib.util.find_spec("pymetis") is not None


def metis_cells(
    edge_index: Tensor, num_nodes: int, cell_size: int, *, seed: int = 0
) -> NDArray[np.int64]:
    """Cut a graph into cells of one size so that few edges run between them, by METIS.

    Args:
        edge_index: Undirected graph, both directions of every edge [2, E], sorted by row;
            self-loops are ignored.
        num_nodes: Number of nodes N.
        cell_size: Nodes of a cell, about.
        seed: Fixes the cells.

    Returns:
        Cell of every node, int64 [N]: 0, 1, ... without a gap.

    Raises:
        ValueError: If ``cell_size`` is below 1.
        ImportError: If pymetis is not installed.

    Source:
        Karypis and Kumar, METIS; the batches are those of Cluster-GCN (Chiang et al., KDD 2019).
    """
    num_cells = _num_cells(num_nodes, cell_size)
    if not metis_is_installed():
        raise ImportError("METIS needs pymetis, which is not installed: pip install pymetis")
    import pymetis

    if num_cells == 1:
        return np.zeros(num_nodes, np.int64)
    row, col = edge_index[:, edge_index[0] != edge_index[1]].numpy()
    starts = np.zeros(num_nodes + 1, np.int32)
    np.cumsum(np.bincount(row, minlength=num_nodes), out=starts[1:])
    adjacency = pymetis.CSRAdjacency(starts, col.astype(np.int32))
    # The number alone: METIS fixes its seed at 31 bits.
    options = pymetis.Options(seed=seed % 2**31)
    _, cells = pymetis.part_graph(num_cells, adjacency, options=options)
    return _renumbered(np.asarray(cells, np.int64))


def feature_cells(x: NDArray[np.floating], cell_size: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Put rows that lie together into one cell: the coarse quantiser of an inverted-file index.

    K-means on a sample gives the centres; every row joins the nearest one. Cells of more than
    twice ``cell_size`` rows are cut across their longest direction.

    Args:
        x: Rows [N, D]; read in blocks, so a memory-mapped file stays on the disk.
        cell_size: Rows of a cell, on average.
        seed: Fixes the cells.

    Returns:
        Cell of every row, int64 [N]: 0, 1, ... without a gap.

    Raises:
        ValueError: If ``cell_size`` is below 1.
    """
    num_cells = _num_cells(len(x), cell_size)
    if num_cells == 1:
        return np.zeros(len(x), np.int64)
    rng = np.random.default_rng(seed)
    kmeans = faiss.Kmeans(
        x.shape[1], num_cells, niter=_ITERATIONS, seed=seed % 2**31, min_points_per_centroid=1
    )
    kmeans.train(_sample(x, np.arange(len(x)), _TRAINING_ROWS * num_cells, rng))
    cells = np.empty(len(x), np.int64)
    for start in range(0, len(x), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        block = np.ascontiguousarray(x[rows], np.float32)
        cells[rows] = kmeans.index.search(block, 1)[1][:, 0]
    return _renumbered(_cut_large(x, cells, cell_size, rng))


def _cut_large(
    x: NDArray[np.floating], cells: NDArray[np.int64], cell_size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    sizes = np.bincount(cells)
    unused = len(sizes)
    for cell in np.flatnonzero(sizes > 2 * cell_size):
        members = np.flatnonzero(cells == cell)
        sample = _sample(x, members, _SAMPLE_ROWS, rng)
        direction = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][0]
        along = np.concatenate(
            [
                np.asarray(x[members[start : start + _BLOCK_ROWS]], np.float32) @ direction
                for start in range(0, len(members), _BLOCK_ROWS)
            ]
        )
        # By rank, so that rows that are all alike are cut too.
        order = members[np.argsort(along, kind="stable")]
        for piece in np.array_split(order, _num_cells(len(members), cell_size))[1:]:
            cells[piece] = unused
            unused += 1
    return cells


def _sample(
    x: NDArray[np.floating], members: NDArray[np.int64], most: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    if len(members) > most:
        members = np.sort(rng.choice(members, most, replace=False))
    return np.ascontiguousarray(x[members], np.float32)


def _num_cells(num_nodes: int, cell_size: int) -> int:
    if cell_size < 1:
        raise ValueError(f"'cell_size' must be at least 1 (got {cell_size})")
    return max(1, -(-num_nodes // cell_size))


def _renumbered(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same cells without empty ones among them."""
    return np.asarray(np.unique(cells, return_inverse=True)[1], np.int64)
