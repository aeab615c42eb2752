import json

import numpy as np
import pytest

from iciclegcn.evaluation.calibration import Bin, calibration
from iciclegcn.evaluation.metrics import clustering_accuracy

# Cluster 0 matches class 5, cluster 1 class 7: right, right, wrong, right.
SOFT = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]]
Y = [5, 5, 7, 7]


def test_bins_contain_their_upper_bound_and_their_gaps_are_weighed_by_size() -> None:
    found = calibration(SOFT, Y, num_bins=5)
    assert [each.size for each in found.bins] == [0, 0, 1, 2, 1]
    assert found.bins[0] == Bin(0, None, None)
    assert found.bins[2] == pytest.approx((1, 0.6, 0.0))
    assert found.bins[3] == pytest.approx((2, 0.75, 1.0))
    assert found.bins[4] == pytest.approx((1, 0.9, 1.0))
    assert found.ece == pytest.approx((1 * 0.6 + 2 * 0.25 + 1 * 0.1) / 4)


def test_one_bin_compares_mean_confidence_with_accuracy() -> None:
    found = calibration(SOFT, Y, num_bins=1)
    assert [found.accuracy, found.confidence] == pytest.approx([0.75, 0.75])
    assert found.ece == pytest.approx(0.0)


def test_certain_answers_err_by_the_error_rate() -> None:
    found = calibration(np.eye(2)[[0, 0, 0, 1]], [0, 0, 1, 1])
    assert found.bins[-1].size == 4
    assert found.ece == pytest.approx(0.25)


def test_confidence_just_above_one_counts_as_one() -> None:
    found = calibration([[1.000001, 0.0], [0.0, 1.0]], [0, 1])
    assert (found.ece, found.confidence) == (0.0, 1.0)


def test_risk_grows_with_coverage_where_the_unsure_err() -> None:
    found = calibration(SOFT, Y)
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.risk.tolist() == [0.0, 0.0, 0.0, 0.25]
    assert found.risk_area == pytest.approx(0.0625)


def test_equal_confidences_come_in_no_order() -> None:
    soft = np.array([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.1, 0.9]])
    y = np.array([0, 0, 1, 1])
    for order in ([0, 1, 2, 3], [2, 1, 0, 3]):
        # Certain and right first; then three of .8, a third of them wrong.
        risk = calibration(soft[order], y[order]).risk
        assert risk.tolist() == pytest.approx([0, 1 / 6, 2 / 9, 1 / 4])


@pytest.mark.parametrize("num_clusters", [2, 3, 6])
def test_any_number_of_clusters_fits_any_number_of_classes(num_clusters: int) -> None:
    rng = np.random.default_rng(num_clusters)
    soft, y = rng.dirichlet(np.ones(num_clusters), 60), rng.integers(0, 3, 60)
    found = calibration(soft, y)
    assert found.accuracy == pytest.approx(clustering_accuracy(y, soft.argmax(axis=1)))
    assert sum(each.size for each in found.bins) == 60
    renamed = calibration(soft[:, rng.permutation(num_clusters)], y)
    assert renamed.ece == pytest.approx(found.ece)
    assert renamed.risk_area == pytest.approx(found.risk_area)


def test_figures_are_plain_and_keep_the_end_of_the_curve() -> None:
    figures = json.loads(json.dumps(calibration(SOFT, Y, num_bins=5).figures(points=2)))
    assert (figures["coverage"], figures["risk"]) == ([0.5, 1.0], [0.0, 0.25])
    assert figures["bins"][0] == {"size": 0, "confidence": None, "accuracy": None}
    assert figures["ece"] == pytest.approx(0.3)
    few = calibration(SOFT, Y).figures(points=8)
    assert few["coverage"] == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0, 1.0]


@pytest.mark.parametrize(
    ("soft", "y", "message"),
    [
        (SOFT, Y[:3], "one class a row"),
        ([0.5, 0.5], [0, 1], "one class a row"),
        ([[2.0, -1.0]], [0], "sum to 1"),
        ([[2.0, 1.0]], [0], "softmax of logits"),
        ([[float("nan"), 1.0]], [0], "sum to 1"),
    ],
)
def test_what_is_no_probability_is_refused(soft: list[float], y: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibration(soft, y)


def test_no_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="'num_bins' must be at least 1"):
        calibration(SOFT, Y, num_bins=0)
