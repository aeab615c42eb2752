"""Which images of a cluster are worth a look."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_BLOCK = 4096

Rows = npt.NDArray[np.int64]


class Certainty(NamedTuple):
    """How sure a run is of each image.

    Attributes:
        confidence: Probability of the image's own cluster [N].
        second: The other cluster that is most probable, int64 [N].
        second_probability: Its probability [N].
    """

    confidence: npt.NDArray[np.float64]
    second: Rows
    second_probability: npt.NDArray[np.float64]


class Picks(NamedTuple):
    """Images of one cluster, the most telling ones first.

    Attributes:
        typical: Closest to the middle of the cluster, among its more confident half.
        uncertain: Least confident.
        borderline: With the most probability in another cluster.
    """

    typical: Rows
    uncertain: Rows
    borderline: Rows


def certainty(soft: npt.NDArray[np.floating], clusters: Rows) -> Certainty:
    """Read each image's own cluster and the one it nearly joined.

    Args:
        soft: Soft assignments [N, K], K >= 2.
        clusters: Clusters [N]; -1, left unassigned, counts as the most probable one.
    """
    rows = np.arange(len(soft))
    own = np.where(clusters < 0, soft.argmax(axis=1), clusters)
    others = np.array(soft, dtype=np.float64)
    confidence = others[rows, own]
    others[rows, own] = -1.0
    second = others.argmax(axis=1)
    return Certainty(confidence, second, others[rows, second])


def pick(
    x: npt.NDArray[np.floating],
    clusters: Rows,
    sure: Certainty,
    num_clusters: int,
    most: int,
) -> list[Picks]:
    """Choose the images that stand for each cluster; ties in index order.

    Args:
        x: Features [N, D]; may be mapped.
        clusters: Clusters [N] in [-1, K).
        sure: As `certainty` gives it.
        num_clusters: K.
        most: Images of each kind.

    Returns:
        One selection a cluster; empty for an empty cluster.
    """
    closeness = _closeness(x, clusters, num_clusters)
    picks = []
    for cluster in range(num_clusters):
        rows = np.flatnonzero(clusters == cluster)
        confidence = sure.confidence[rows]
        half = rows[confidence >= np.median(confidence)] if len(rows) else rows
        picks.append(
            Picks(
                typical=_best(half, closeness[half], most),
                uncertain=_best(rows, -confidence, most),
                borderline=_best(rows, sure.second_probability[rows], most),
            )
        )
    return picks


def _best(rows: Rows, score: npt.NDArray[np.floating], most: int) -> Rows:
    return rows[np.argsort(-score, kind="stable")[:most]]


def _closeness(
    x: npt.NDArray[np.floating], clusters: Rows, num_clusters: int
) -> npt.NDArray[np.float64]:
    """Cosine of each row with the mean of its cluster's rows, all scaled to length 1 [N]."""
    means = np.zeros((num_clusters, x.shape[1]))
    for start in range(0, len(x), _BLOCK):
        rows, own = _unit(x[start : start + _BLOCK]), clusters[start : start + _BLOCK]
        np.add.at(means, own[own >= 0], rows[own >= 0])
    means = _unit(means)
    closeness = np.zeros(len(x))
    for start in range(0, len(x), _BLOCK):
        rows, own = _unit(x[start : start + _BLOCK]), clusters[start : start + _BLOCK]
        closeness[start : start + _BLOCK] = (rows * means[own]).sum(axis=1)
    return closeness


def _unit(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    rows = np.asarray(rows, dtype=np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: npt.NDArray[np.float64] = rows / np.where(length > 0, length, 1.0)
    return scaled
