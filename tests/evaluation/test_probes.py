import numpy as np
import pytest

from iciclegcn.evaluation.probes import (
    knn_accuracy,
    knn_vote_accuracy,
    neighbor_purity,
)


def test_knn_accuracy_leaves_the_row_itself_out() -> None:
    # Pairs of unlike classes: with itself among its neighbours every row would be right.
    x = np.array([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]])
    assert knn_accuracy(x, [0, 1, 0, 1], k=1) == 0.0
    assert knn_accuracy(x, [0, 0, 1, 1], k=1) == 1.0


def test_votes_are_counted_by_hand() -> None:
    y = ["a", "a", "b", "b", "b"]
    neighbors = [[1, 2, 3], [0, 2, 4], [3, 0, 4], [0, 1, 2], [3, 2, 0]]
    # Winners: b, b, b, a, b.
    assert knn_vote_accuracy(neighbors, y) == pytest.approx(2 / 5)


def test_a_tied_vote_goes_to_the_nearer_class() -> None:
    assert knn_vote_accuracy([[1, 2], [0, 2], [1, 0]], [0, 0, 1]) == pytest.approx(2 / 3)
    assert knn_vote_accuracy([[2, 1], [2, 0], [1, 0]], [0, 0, 1]) == pytest.approx(0.0)


def test_metric_of_the_vote_matters() -> None:
    # By direction the like rows are 0 and 1, by distance 0 and 2.
    x = np.array([[1.0, 0.0], [10.0, 0.1], [1.0, 1.0], [8.0, 8.0]])
    assert knn_accuracy(x, [0, 0, 1, 1], k=1) == 1.0
    assert knn_accuracy(x, [0, 0, 1, 1], k=1, metric="l2") < 1.0


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one class for each row .* shapes \(3,\) and \(4, 2\)"):
        knn_accuracy(np.ones((4, 2)), [0, 1, 1], k=1)
    with pytest.raises(ValueError, match="'k' must be in"):
        knn_accuracy(np.eye(4), [0, 1, 1, 0], k=4)


def test_purity_counts_every_listed_neighbour() -> None:
    neighbors = [[1, 2], [0, 2], [0, 1]]
    assert neighbor_purity(neighbors, ["a", "a", "b"]) == pytest.approx(2 / 6)
    assert neighbor_purity(neighbors, ["a", "a", "a"]) == 1.0
