import numpy as np
import pytest

from iciclegcn.evaluation.matching import UNMATCHED, matched_clusters
from iciclegcn.evaluation.metrics import clustering_accuracy


def test_each_class_gets_the_cluster_of_the_best_match_not_the_greedy_one() -> None:
    # Greedy takes class 0 with cluster 3 and is left with nothing for class 1.
    y = ["a"] * 5 + ["b"] * 2
    assignments = [3] * 3 + [1] * 2 + [3] * 2
    assert matched_clusters(y, assignments).tolist() == [1] * 5 + [3] * 2


def test_surplus_classes_are_unmatched_and_surplus_clusters_stand_for_none() -> None:
    assert matched_clusters([0, 0, 0, 1], [2, 2, 2, 2]).tolist() == [2, 2, 2, UNMATCHED]
    assert matched_clusters([4, 4, 4], [0, 7, 7]).tolist() == [7, 7, 7]


def test_the_share_in_the_right_cluster_is_the_accuracy() -> None:
    rng = np.random.default_rng(0)
    y, assignments = rng.integers(0, 5, 200), rng.integers(0, 7, 200)
    share = float((assignments == matched_clusters(y, assignments)).mean())
    assert share == pytest.approx(clustering_accuracy(y, assignments))


@pytest.mark.parametrize("assignments", [[0], [0, -1], [0.5, 1.0]], ids=str)
def test_what_is_no_clustering_is_refused(assignments: list[float]) -> None:
    with pytest.raises(ValueError, match="'assignments' must be"):
        matched_clusters([0, 1], assignments)
