"""Whether clusters are as often right as they are confident."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iciclegcn.evaluation.matching import matched_clusters

_SUM_TOLERANCE = 1e-2  # of a row of probabilities, which half precision rounds


class Bin(NamedTuple):
    """One bar of a reliability diagram.

    Attributes:
        size: Samples whose confidence lies in the bin.
        confidence: Their mean confidence; None for an empty bin.
        accuracy: Share of them in their class's cluster; None for an empty bin.
    """

    size: int
    confidence: float | None
    accuracy: float | None


class Calibration(NamedTuple):
    """How far confidence can be trusted.

    Attributes:
        ece: Expected calibration error, in [0, 1]; 0 is best.
        accuracy: Share of samples in their class's cluster.
        confidence: Mean confidence; above ``accuracy``: overconfident.
        bins: Reliability diagram, from confidence 0 to 1 in equal steps.
        coverage: Shares 1/N, 2/N, ..., 1 of the samples, the most confident ones first [N].
        risk: Share of errors among them [N].
        risk_area: Mean of ``risk``: the area under risk against coverage; 0 is best.
    """

    ece: float
    accuracy: float
    confidence: float
    bins: tuple[Bin, ...]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    risk_area: float

    def figures(self, points: int = 20) -> dict[str, Any]:
        """Plain values, ready for JSON.

        Args:
            points: Places of the curve that are kept, the last at full coverage.
        """
        share = np.arange(1, points + 1) / points
        rows = np.clip(np.ceil(share * len(self.risk)).astype(int), 1, None) - 1
        return {
            "ece": self.ece,
            "accuracy": self.accuracy,
            "confidence": self.confidence,
            "risk_area": self.risk_area,
            "bins": [each._asdict() for each in self.bins],
            "coverage": self.coverage[rows].tolist(),
            "risk": self.risk[rows].tolist(),
        }


def calibration(probabilities: ArrayLike, y: ArrayLike, num_bins: int = 15) -> Calibration:
    """Compare the confidence of clusters with how often they are right.

    Clusters are matched one to one to classes as for the accuracy; whoever is in an unmatched
    cluster is wrong. The confidence is the largest probability of a row.

    Args:
        probabilities: Soft assignments [N, K]; rows sum to 1. K need not be the number of classes.
        y: True classes [N], any values.
        num_bins: Bins of equal width; each contains its upper bound.

    Returns:
        The calibration error, the reliability diagram and risk against coverage.

    Raises:
        ValueError: If shapes do not fit or rows are not probabilities.

    Source:
        Guo et al. (2017), Eq. 3; Geifman and El-Yaniv (2017) for risk against coverage; matched
        clusters as RUC (Park et al., 2021) reports them.
    """
    soft, truth = _validated(probabilities, y, num_bins)
    assignments = soft.argmax(axis=1)
    confidence = soft.max(axis=1).clip(max=1.0)
    correct = assignments == matched_clusters(truth, assignments)
    bins = _reliability(confidence, correct, num_bins)
    gaps = [
        each.size * abs(each.accuracy - each.confidence)
        for each in bins
        if each.accuracy is not None and each.confidence is not None
    ]
    risk = _risk(confidence, correct)
    return Calibration(
        ece=float(sum(gaps) / len(correct)),
        accuracy=float(correct.mean()),
        confidence=float(confidence.mean()),
        bins=bins,
        coverage=np.arange(1, len(correct) + 1) / len(correct),
        risk=risk,
        risk_area=float(risk.mean()),
    )


def _reliability(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], num_bins: int
) -> tuple[Bin, ...]:
    inner_bounds = np.arange(1, num_bins) / num_bins
    place = np.searchsorted(inner_bounds, confidence, side="left")
    counts = np.bincount(place, minlength=num_bins)
    confidences = np.bincount(place, weights=confidence, minlength=num_bins)
    hits = np.bincount(place, weights=correct, minlength=num_bins)
    return tuple(
        Bin(int(n), float(total / n), float(right / n)) if n else Bin(0, None, None)
        for n, total, right in zip(counts, confidences, hits, strict=True)
    )


def _risk(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of errors among the i most confident samples, for every i [N].

    Equal confidences come in no order: each such sample counts with the mean error of them all,
    which is what a random order gives on average.
    """
    _, group = np.unique(-confidence, return_inverse=True)  # 0: the most confident
    sizes = np.bincount(group)
    mean_errors = np.bincount(group, weights=~correct) / sizes
    errors = np.repeat(mean_errors, sizes).cumsum()
    share: NDArray[np.float64] = errors / np.arange(1, len(correct) + 1)
    return share


def _validated(
    probabilities: ArrayLike, y: ArrayLike, num_bins: int
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    soft, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(y)
    if soft.ndim != 2 or truth.shape != (len(soft),) or soft.size == 0:
        raise ValueError(
            "'probabilities' must be a non-empty [N, K] and 'y' one class a row (got shapes "
            f"{soft.shape} and {truth.shape})"
        )
    if num_bins < 1:
        raise ValueError(f"'num_bins' must be at least 1 (got {num_bins})")
    # Written so that NaN fails too.
    if not (soft.min() >= 0 and np.abs(soft.sum(axis=1) - 1).max() <= _SUM_TOLERANCE):
        raise ValueError(
            "rows of 'probabilities' must be non-negative and sum to 1 (got values from "
            f"{soft.min()} and sums from {soft.sum(axis=1).min()} to {soft.sum(axis=1).max()}); "
            "pass the softmax of logits"
        )
    return soft, truth
