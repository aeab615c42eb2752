"""From neighbour lists to normalised graphs, one a scale."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphs.neighbors import Neighbors


class ScaleGraph(NamedTuple):
    """One scale's normalised adjacency A: ``out_i = sum_j w_ij x_j``.

    Row i of A is the target, column j the source. PyG's layers read ``edge_index[0]`` as the
    source: hand them ``edge_index.flip(0)``. The edge set itself is symmetric, so the flip matters
    to the weights only, and to those only when the normalisation is ``row``.

    Attributes:
        edge_index: Rows (targets i) and columns (sources j), int64 [2, E], sorted by row, then
            column; every edge once, both ways, with one self-loop a node.
        edge_weight: w_ij, normalised, float32 [E].
    """

    edge_index: Tensor
    edge_weight: Tensor


def scale_graphs(
    neighbors: Neighbors,
    k_list: Sequence[int],
    *,
    symmetrize: str = "union",
    edge_weight: str = "binary",
    heat_time: float = 1.0,
    normalization: str = "symmetric",
) -> list[ScaleGraph]:
    """Build one normalised graph for each k from the neighbours of one search.

    Args:
        neighbors: Neighbours of a search at the largest k or more, nearest first.
        k_list: Neighbours of each scale, each in [1, k of the search].
        symmetrize: ``union`` (an edge where either row lists the other) or ``mutual`` (both do).
        edge_weight: ``binary``, or ``heat``: exp(-d^2 / heat_time).
        heat_time: t of Eq. 8, in units of squared distance.
        normalization: ``symmetric``: D^-1/2 (A + I) D^-1/2, or ``row``: D^-1 (A + I).

    Returns:
        One graph a scale, in the order of ``k_list``, on the CPU.

    Raises:
        ValueError: If the neighbours are no neighbour lists, a k or an option is out of range, or
            the heat kernel is 0 on every edge.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 8 and 12-13; ``row`` is the published code's.
    """
    _validate(neighbors, k_list, symmetrize, edge_weight, heat_time, normalization)
    squared = neighbors.squared_distances
    kernel = (
        np.exp(-squared.astype(np.float64) / heat_time)
        if edge_weight == "heat"
        else np.ones(squared.shape)
    )
    if not kernel.any():
        raise ValueError(
            f"'heat_time' must suit the distances (exp(-d^2 / {heat_time}) is 0 on every edge, "
            f"median d^2 {np.median(squared):.3g}); try that median"
        )
    return [
        _graph(neighbors.indices[:, :k], kernel[:, :k], symmetrize == "mutual", normalization)
        for k in k_list
    ]


def _graph(
    indices: NDArray[np.int64], kernel: NDArray[np.float64], mutual: bool, normalization: str
) -> ScaleGraph:
    num_nodes, k = indices.shape
    row = np.repeat(np.arange(num_nodes), k)
    col = indices.ravel()
    # A pair has one key whichever row lists it: twice there means both do.
    pairs = np.minimum(row, col) * num_nodes + np.maximum(row, col)
    pairs, first, times = np.unique(pairs, return_index=True, return_counts=True)
    weight = kernel.ravel()[first]
    if mutual:
        pairs, weight = pairs[times == 2], weight[times == 2]
    low, high = np.divmod(pairs, num_nodes)
    loops = np.arange(num_nodes)
    row = np.concatenate([low, high, loops])
    col = np.concatenate([high, low, loops])
    weight = np.concatenate([weight, weight, np.ones(num_nodes)])
    order = np.argsort(row * num_nodes + col)
    row, col, weight = row[order], col[order], weight[order]
    degree = np.bincount(row, weight, minlength=num_nodes)
    if normalization == "symmetric":
        weight /= np.sqrt(degree[row] * degree[col])
    else:
        weight /= degree[row]  # Eq. 12 is symmetric; the published code row-normalises.
    return ScaleGraph(
        torch.from_numpy(np.stack([row, col])), torch.from_numpy(weight.astype(np.float32))
    )


def _validate(
    neighbors: Neighbors,
    k_list: Sequence[int],
    symmetrize: str,
    edge_weight: str,
    heat_time: float,
    normalization: str,
) -> None:
    indices, squared = neighbors.indices, neighbors.squared_distances
    if indices.ndim != 2 or squared.shape != indices.shape:
        raise ValueError(
            "'neighbors' must hold indices and squared distances of one shape [N, k] (got "
            f"{tuple(indices.shape)} and {tuple(squared.shape)})"
        )
    num_nodes, k_max = indices.shape
    rows = np.arange(num_nodes)[:, None]
    if indices.min() < 0 or indices.max() >= num_nodes or (indices == rows).any():
        raise ValueError(
            f"'neighbors.indices' must be other rows in [0, {num_nodes - 1}] (got "
            f"[{indices.min()}, {indices.max()}], {int((indices == rows).sum())} of them the row "
            "itself); use graphs.knn"
        )
    if len(k_list) == 0 or not all(1 <= k <= k_max for k in k_list):
        raise ValueError(
            f"'k_list' must be one or more in [1, {k_max}], the k of the search "
            f"(got {list(k_list)})"
        )
    options = {
        "symmetrize": (symmetrize, ("union", "mutual")),
        "edge_weight": (edge_weight, ("binary", "heat")),
        "normalization": (normalization, ("symmetric", "row")),
    }
    for name, (value, allowed) in options.items():
        if value not in allowed:
            raise ValueError(f"'{name}' must be {' or '.join(allowed)} (got {value!r})")
    if not heat_time > 0:
        raise ValueError(f"'heat_time' must be positive (got {heat_time})")
