"""New nodes joined to a finished graph: they hear its nodes, which do not hear them."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphs.edges import ScaleGraph
from graphs.neighbors import Neighbors


class AttachedNodes(NamedTuple):
    """Rows of the normalised adjacency of M new nodes: ``out_i = sum_j w_ij x_j + l_i x_i``.

    Attributes:
        edge_index: New nodes (targets i) and old nodes (sources j), int64 [2, E], sorted by i,
            then j.
        edge_weight: w_ij, normalised, float32 [E].
        loop_weight: l_i of the self-loops, normalised, float32 [M].
    """

    edge_index: Tensor
    edge_weight: Tensor
    loop_weight: Tensor


class OldNodes(NamedTuple):
    """What must be known of the nodes of one scale for others to join them.

    Attributes:
        k: Neighbours of each node.
        degrees: Sum of each node's unnormalised weights, its self-loop's 1 among them, float32 [N].
        reach: Squared distance of each node's k-th neighbour [N]; None: a new node is joined to
            its k nearest nodes, whoever else is near them.
    """

    k: int
    degrees: Tensor
    reach: NDArray[np.float32] | None = None


def old_nodes(
    graph: ScaleGraph, neighbors: Neighbors, k: int, *, symmetrize: str = "union"
) -> OldNodes:
    """What `attach` needs of one scale.

    Args:
        graph: The scale's normalised graph, from `graphs.scale_graphs`.
        neighbors: The neighbours that it was made of.
        k: Its k.
        symmetrize: ``union``, or ``mutual``: a new node then joins those of its k nearest that
            would list it among theirs.
    """
    row, col = graph.edge_index
    # Every node has one self-loop, of weight 1 before it was normalised to 1 / degree.
    degrees = graph.edge_weight[row == col].reciprocal()
    mutual = symmetrize == "mutual"
    return OldNodes(k, degrees, neighbors.squared_distances[:, k - 1] if mutual else None)


def attach(
    nearest: Neighbors,
    old: OldNodes,
    *,
    edge_weight: str = "binary",
    heat_time: float = 1.0,
    normalization: str = "symmetric",
) -> AttachedNodes:
    """Join new nodes to their k nearest old ones, by edges that lead into the new ones only.

    Nothing changes for the old nodes: neither their edges nor their degrees, so that what they
    were assigned stays as it is, and each new node's answer does not depend on which others come
    with it.

    Args:
        nearest: Old nodes nearest to each of M new ones, k or more, nearest first.
        old: The scale's `old_nodes`.
        edge_weight: ``binary``, or ``heat``: exp(-d^2 / heat_time).
        heat_time: t of Eq. 8.
        normalization: ``symmetric``: w_ij / sqrt(d_i d_j), or ``row``: w_ij / d_i, with the
            degrees d_i of the new nodes and d_j of the old ones.

    Returns:
        The new nodes' rows, on the CPU.

    Raises:
        ValueError: If there are fewer than k neighbours, or one is no old node.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 8 and 12-13, for the rows of new nodes.
    """
    k, num_old = old.k, len(old.degrees)
    indices = nearest.indices[:, :k]
    _validate(indices, k, num_old)
    squared = nearest.squared_distances[:, :k].astype(np.float64)
    kernel = np.exp(-squared / heat_time) if edge_weight == "heat" else np.ones(squared.shape)
    kept = np.ones(squared.shape, dtype=bool)
    if old.reach is not None:
        kept = squared < old.reach[indices]
    row, column = np.nonzero(kept)
    col, weight = indices[row, column], kernel[row, column]
    order = np.argsort(row * num_old + col)
    row, col, weight = row[order], col[order], weight[order]
    degree = 1 + np.bincount(row, weight, minlength=len(indices))
    if normalization == "symmetric":
        weight = weight / np.sqrt(degree[row] * old.degrees.numpy()[col].astype(np.float64))
    else:
        weight = weight / degree[row]
    return AttachedNodes(
        torch.from_numpy(np.stack([row, col])),
        torch.from_numpy(weight.astype(np.float32)),
        torch.from_numpy((1 / degree).astype(np.float32)),
    )


def _validate(indices: NDArray[np.int64], k: int, num_old: int) -> None:
    if indices.shape[1] < k:
        raise ValueError(f"'nearest' must hold {k} neighbours a row (got {indices.shape[1]})")
    if indices.size and not 0 <= indices.min() <= indices.max() < num_old:
        raise ValueError(
            f"'nearest.indices' must be old nodes in [0, {num_old - 1}] "
            f"(got [{indices.min()}, {indices.max()}])"
        )
