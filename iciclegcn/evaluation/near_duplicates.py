"""Images that are all but the same, found in the neighbour lists alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

# A pair is close when it is this much closer than either is to its farthest listed neighbour. On
# CIFAR-10, whose photographs came from the same searches again and again, pairs below .4 are
# copies, crops and other shots of one scene; above .5 other scenes mix in.
_LOCAL_SHARE = 0.4
# More copies than there are neighbours in a list have no such scale: the median of all has.
_GLOBAL_SHARE = 0.05


class NearDuplicates(NamedTuple):
    """Groups of images whose features are all but equal, one entry a member.

    Attributes:
        groups: Number of the group, int64 [n], ascending from 0.
        indices: Rows, int64 [n], ascending within a group.
        distances: Distance of the features to the nearest other member, float64 [n].
    """

    groups: NDArray[np.int64]
    indices: NDArray[np.int64]
    distances: NDArray[np.float64]


def find_near_duplicates(
    indices: NDArray[np.int64], squared_distances: NDArray[np.floating]
) -> NearDuplicates:
    """Groups of rows far closer to each other than to other rows around them.

    A pair belongs together when its distance is at most .4 of either row's distance to its last
    listed neighbour, or at most .05 of the median of those distances; groups are what such pairs
    connect. With one neighbour a list only the second rule says anything.

    Args:
        indices: Each row's neighbours [N, k], nearest first, itself excluded.
        squared_distances: Those to them [N, k].

    Returns:
        The groups, numbered by their first member.

    Raises:
        ValueError: If the two are not matrices of one shape.
    """
    if indices.ndim != 2 or indices.shape != squared_distances.shape or indices.size == 0:
        raise ValueError(
            "'indices' and 'squared_distances' must be matrices [N, k] of one shape (got "
            f"{indices.shape} and {squared_distances.shape})"
        )
    num_rows = len(indices)
    distances = np.sqrt(squared_distances, dtype=np.float64)
    farthest = distances[:, -1]
    scale = np.minimum(farthest[:, None], farthest[indices])
    bound = np.maximum(_LOCAL_SHARE * scale, _GLOBAL_SHARE * float(np.median(farthest)))
    first, column = np.nonzero(distances <= bound)
    second, apart = indices[first, column], distances[first, column]
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(num_rows, num_rows))
    _, component = connected_components(graph, directed=False)
    nearest = np.full(num_rows, np.inf)
    np.minimum.at(nearest, first, apart)
    np.minimum.at(nearest, second, apart)
    rows = np.flatnonzero(np.isfinite(nearest))
    # Number the groups by their lowest row: components are numbered in any order.
    _, start, place = np.unique(component[rows], return_index=True, return_inverse=True)
    groups = np.argsort(np.argsort(start))[place]
    order = np.argsort(groups, kind="stable")
    return NearDuplicates(groups[order].astype(np.int64), rows[order], nearest[rows[order]])
