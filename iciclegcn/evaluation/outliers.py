"""Images far from their neighbours, found in the neighbour lists alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# How far out is far: so many times the usual spread of the logarithms (of a normal distribution
# this leaves one in two million), and in any case a fifth beyond the ordinary.
_SPREADS = 5.0
_LEAST_SCORE = 1.2
_MAD_TO_DEVIATION = 1.4826  # of a normal distribution
# Exact copies are at no distance, and next to them everything else would be infinitely far.
_LEAST_REACH = 0.01  # of the median


class Outliers(NamedTuple):
    """Images far from their neighbours, the farthest first.

    Attributes:
        indices: Rows, int64 [n].
        scores: Local outlier factors, float64 [n]; 1 is ordinary.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]


def outlier_factors(
    indices: NDArray[np.int64], squared_distances: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How much farther than its neighbours each row is from its neighbours.

    Args:
        indices: Each row's neighbours [N, k], nearest first, itself excluded.
        squared_distances: Those to them [N, k].

    Returns:
        Local outlier factors, float64 [N]: about 1 inside a group however dense, more outside.
        Reachability distances count as one hundredth of their median at least.

    Raises:
        ValueError: If the two are not matrices of one shape.

    Source:
        Breunig et al., LOF: Identifying density-based local outliers (SIGMOD 2000), Definitions
        5 to 7.
    """
    if indices.ndim != 2 or indices.shape != squared_distances.shape or indices.size == 0:
        raise ValueError(
            "'indices' and 'squared_distances' must be matrices [N, k] of one shape (got "
            f"{indices.shape} and {squared_distances.shape})"
        )
    distances = np.sqrt(squared_distances, dtype=np.float64)
    reach = np.maximum(distances, distances[indices, -1])
    typical = float(np.median(reach))
    if typical == 0:
        return np.ones(len(indices))  # most rows are copies: nothing to be far from
    density = 1 / np.maximum(reach, _LEAST_REACH * typical).mean(axis=1)
    factors: NDArray[np.float64] = density[indices].mean(axis=1) / density
    return factors


def find_outliers(indices: NDArray[np.int64], squared_distances: NDArray[np.floating]) -> Outliers:
    """Rows whose `outlier_factors` stand out from those of the others.

    A factor's size depends on the dimension of the data, so the bound comes from the data: five
    times the spread of the factors' logarithms (by the median absolute deviation) above their
    median, and 1.2 at least.

    Args:
        indices: Each row's neighbours [N, k], nearest first, itself excluded.
        squared_distances: Those to them [N, k].
    """
    factors = outlier_factors(indices, squared_distances)
    logs = np.log(factors)
    center = np.median(logs)
    spread = _MAD_TO_DEVIATION * np.median(np.abs(logs - center))
    bound = max(float(np.exp(center + _SPREADS * spread)), _LEAST_SCORE)
    rows = np.flatnonzero(factors > bound)
    rows = rows[np.argsort(-factors[rows], kind="stable")]
    return Outliers(rows.astype(np.int64), factors[rows])
