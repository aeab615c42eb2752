from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iciclegcn.evaluation.metrics import (
    adjusted_rand_index,
    clustering_accuracy,
    clustering_f1,
    clustering_metrics,
    fowlkes_mallows_index,
    normalized_mutual_information,
    purity,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics.npz"
Y = [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize("case", [0, 1])
def test_metrics_agree_with_golden_values(case: int) -> None:
    golden = np.load(GOLDEN)
    y, assignments = golden[f"y{case}"], golden[f"pred{case}"]
    assert clustering_accuracy(y, assignments) == pytest.approx(golden["acc"][case], rel=1e-9)
    assert normalized_mutual_information(y, assignments) == pytest.approx(
        golden["nmi"][case], rel=1e-6
    )
    assert adjusted_rand_index(y, assignments) == pytest.approx(golden["ari"][case], rel=1e-6)
    assert fowlkes_mallows_index(y, assignments) == pytest.approx(golden["fmi"][case], rel=1e-6)


def test_renamed_clusters_score_one_everywhere() -> None:
    renamed = [7, 7, 7, 3, 3, 5]
    assert clustering_metrics(Y, renamed) == pytest.approx(
        {"acc": 1.0, "nmi": 1.0, "ari": 1.0, "f1": 1.0, "purity": 1.0}
    )


def test_accuracy_takes_the_best_match_not_the_greedy_one() -> None:
    # Greedy takes (0, 0) with 3 and is left with 0; the best match is 2 + 2.
    y = [0] * 5 + [1] * 2
    assignments = [0] * 3 + [1] * 2 + [0] * 2
    assert clustering_accuracy(y, assignments) == pytest.approx(4 / 7)


def test_surplus_clusters_stay_unmatched() -> None:
    assignments = [0, 0, 9, 1, 1, 2]
    assert clustering_accuracy(Y, assignments) == pytest.approx(5 / 6)
    # Class 0: precision 1, recall 2/3, F1 .8; the others 1.
    assert clustering_f1(Y, assignments) == pytest.approx((0.8 + 1 + 1) / 3)
    assert purity(Y, assignments) == pytest.approx(1.0)


def test_fewer_clusters_than_classes() -> None:
    assignments = [4, 4, 4, 6, 6, 6]
    assert clustering_accuracy(Y, assignments) == pytest.approx(5 / 6)
    # Class 1: precision 2/3, recall 1; class 2 has no cluster.
    assert clustering_f1(Y, assignments) == pytest.approx((1 + 0.8 + 0) / 3)
    assert purity(Y, assignments) == pytest.approx(5 / 6)


def test_one_cluster_says_nothing() -> None:
    figures = clustering_metrics(Y, [0] * 6)
    assert figures == pytest.approx(
        {"acc": 0.5, "nmi": 0.0, "ari": 0.0, "f1": (2 / 3) / 3, "purity": 0.5}, abs=1e-12
    )


def test_nmi_uses_the_arithmetic_mean_of_the_entropies() -> None:
    y, assignments = [0, 0, 1, 1], [0, 0, 0, 1]
    h_y = np.log(2)
    h_c = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    mutual = h_c - 0.5 * -(2 * 0.5 * np.log(0.5))
    assert normalized_mutual_information(y, assignments) == pytest.approx(2 * mutual / (h_y + h_c))


def test_accuracy_leaves_predictions_unchanged() -> None:
    y, assignments = np.array(Y), np.array([5, 5, 9, 1, 1, 2])
    y.flags.writeable = assignments.flags.writeable = False
    clustering_metrics(y, assignments)
    assert assignments.tolist() == [5, 5, 9, 1, 1, 2]


def test_labels_may_be_names() -> None:
    assert clustering_accuracy(["cat", "cat", "dog"], [1, 1, 0]) == 1.0


def test_figures_are_plain_floats() -> None:
    assert all(type(value) is float for value in clustering_metrics(Y, Y).values())


@pytest.mark.parametrize(
    ("y", "assignments"), [([0, 1], [0]), ([], []), ([[0, 1]], [[0, 1]])], ids=str
)
def test_mismatched_shapes_are_refused(y: list[int], assignments: list[int]) -> None:
    with pytest.raises(ValueError, match="one-dimensional, non-empty and of one length"):
        clustering_metrics(y, assignments)


@settings(max_examples=30, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
def test_figures_ignore_the_names_and_order_of_clusters(
    pairs: list[tuple[int, int]], seed: int
) -> None:
    y, assignments = np.array(pairs).T
    rng = np.random.default_rng(seed)
    renamed = rng.permutation(7)[assignments]
    order = rng.permutation(len(y))
    expected = {name: v for name, v in clustering_metrics(y, assignments).items() if name != "f1"}
    # Several matches may reach the best accuracy with different F1: that one follows the order.
    found = clustering_metrics(y[order], renamed[order])
    found.pop("f1")
    assert found == pytest.approx(expected, abs=1e-9)
    assert expected["acc"] <= expected["purity"] + 1e-12
