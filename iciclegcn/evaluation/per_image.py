"""What a clustering says of each image: its cluster, and how far that can be trusted."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNASSIGNED = -1


class ImageFacts(NamedTuple):
    """One entry an image; all but ``clusters`` are about the most probable cluster.

    Attributes:
        clusters: The most probable cluster, int64 [N]; -1 where the image is left unassigned.
        confidences: Its probability, float64 [N].
        margins: That probability less the runner-up's, float64 [N], in [0, 1].
        agreements: Share of the heads that name that cluster too, float64 [N], in [0, 1]; NaN where
            there are fewer than two heads.
    """

    clusters: NDArray[np.int64]
    confidences: NDArray[np.float64]
    margins: NDArray[np.float64]
    agreements: NDArray[np.float64]


def image_facts(
    probabilities: NDArray[np.floating],
    heads: Sequence[NDArray[np.floating]] = (),
    *,
    abstain: float = 0.0,
) -> ImageFacts:
    """Cluster, confidence, margin and agreement of every image.

    Args:
        probabilities: Soft assignments [N, K] that name the clusters; K is 2 or more.
        heads: Soft assignments [N, K] of the streams, or of the networks, behind them.
        abstain: Share of the images left unassigned, in [0, 1): the least confident ones, rounded
            to whole images, and never all; of equally confident ones those of the smaller margin,
            then the later.

    Raises:
        ValueError: If a shape or the share does not fit.
    """
    _validate(probabilities, heads, abstain)
    # The two largest of a row, without sorting the others.
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].astype(np.float64).T
    margins = first - second
    named = probabilities.argmax(axis=1).astype(np.int64)
    agreements = np.full(len(named), np.nan)
    if len(heads) > 1:
        agreements = np.mean([head.argmax(axis=1) == named for head in heads], axis=0)
    left_out = least_certain(first, margins, abstain)
    clusters = named.copy()
    clusters[left_out] = UNASSIGNED
    return ImageFacts(clusters, first, margins, agreements)


def least_certain(
    confidences: NDArray[np.float64], margins: NDArray[np.float64], share: float
) -> NDArray[np.int64]:
    """Rows of the least certain images, ``round(share * N)`` of them and never all.

    Args:
        confidences: Largest probability of each image [N].
        margins: That less the second largest [N]; decides between equal confidences.
        share: In [0, 1).
    """
    count = min(round(share * len(confidences)), len(confidences) - 1)
    later_first = -np.arange(len(confidences))
    return np.lexsort((later_first, margins, confidences))[:count].astype(np.int64)


def _validate(
    probabilities: NDArray[np.floating], heads: Sequence[NDArray[np.floating]], abstain: float
) -> None:
    if probabilities.ndim != 2 or len(probabilities) == 0 or probabilities.shape[1] < 2:
        raise ValueError(
            "'probabilities' must be a non-empty [N, K] with K of 2 or more (got shape "
            f"{probabilities.shape})"
        )
    for head in heads:
        if head.shape != probabilities.shape:
            raise ValueError(
                f"'heads' must have the shape of 'probabilities', {probabilities.shape} (got "
                f"{head.shape})"
            )
    if not 0 <= abstain < 1:
        raise ValueError(f"'abstain' must be in [0, 1) (got {abstain})")
