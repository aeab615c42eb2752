import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from iciclegcn.evaluation.label_free import (
    collapse,
    kmeans_on_features,
    label_free_metrics,
    pairwise_agreement,
    silhouette_on_sample,
    size_entropy,
    stream_agreement,
)


def one_hot(clusters: list[int], num_clusters: int = 3) -> NDArray[np.float64]:
    return np.eye(num_clusters)[clusters]


# Two tight groups in opposite directions.
X = np.array([[1.0, 0.1], [1.0, 0.0], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
ASSIGNMENTS = np.array([0, 0, 0, 2, 2])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.4, 0.3, 0.3], [0.1, 0.2, 0.7], [0.25, 0.25, 0.5]]
)


def figures(**changes: object) -> dict[str, object]:
    given: dict[str, object] = {
        "x": X,
        "streams": [one_hot([0, 0, 0, 2, 2]), one_hot([0, 0, 1, 2, 2])],
        "q": one_hot([0, 1, 1, 2, 2]),
        "assignments": ASSIGNMENTS,
        "probabilities": PROBABILITIES,
        "num_clusters": 3,
        "seed": 0,
    }
    return label_free_metrics(**(given | changes))  # type: ignore[arg-type]


def test_figures_of_five_rows() -> None:
    found = figures()
    assert found["cluster_sizes"] == [3, 0, 2]
    assert found["empty_clusters"] == 1
    entropy = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4)) / math.log(3)
    assert found["size_entropy"] == pytest.approx(entropy)
    assert found["mean_confidence"] == pytest.approx((0.8 + 0.6 + 0.4 + 0.7 + 0.5) / 5)
    assert found["stream_agreement"] == pytest.approx(0.8)
    assert found["pairwise_agreement"] == pytest.approx(
        {"stream_0/stream_1": 0.8, "stream_0/q": 0.6, "stream_1/q": 0.8}
    )
    silhouette = found["silhouette"]
    assert isinstance(silhouette, float)
    assert 0.8 < silhouette < 1


def test_the_features_may_have_rows_that_do_not_count() -> None:
    rows = np.array([1, 2, 4, 5, 7])
    x = np.full((9, X.shape[1]), np.nan)
    x[rows] = X
    assert figures(x=x, rows=rows) == figures()


def test_figures_survive_json_unchanged() -> None:
    found = figures()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_one_full_cluster_has_no_silhouette() -> None:
    found = figures(assignments=np.zeros(5, dtype=np.int64))
    assert found["silhouette"] is None
    assert found["size_entropy"] == 0.0
    assert found["empty_clusters"] == 2
    json.dumps(found, allow_nan=False)


def test_one_stream_agrees_with_nobody() -> None:
    assert figures(streams=[one_hot([0, 0, 0, 2, 2])])["stream_agreement"] is None


def test_three_streams_must_all_agree() -> None:
    streams = [one_hot([0, 0, 1, 1]), one_hot([0, 1, 1, 1]), one_hot([0, 0, 1, 2])]
    assert stream_agreement(streams) == pytest.approx(0.5)
    pairs = pairwise_agreement({"a": streams[0], "b": streams[1], "c": streams[2]})
    assert pairs == pytest.approx({"a/b": 0.75, "a/c": 0.75, "b/c": 0.5})


def test_equal_sizes_have_entropy_one() -> None:
    assert size_entropy(np.array([4, 4, 4, 4])) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("sizes", "collapsed"),
    [([5, 5, 0], True), ([9, 1, 1], False), ([9, 1, 1, 1], True), ([3, 3, 3, 3], False)],
    ids=str,
)
def test_collapse_is_an_empty_or_a_dominant_cluster(sizes: list[int], collapsed: bool) -> None:
    found = collapse(np.repeat(np.arange(len(sizes)), sizes), len(sizes))
    assert found.collapsed is collapsed
    assert found.empty_clusters == sizes.count(0)
    assert found.largest_share == pytest.approx(max(sizes) / sum(sizes))


def test_silhouette_of_two_directions_by_hand() -> None:
    # Scaled to norm 1, distances are 0 within and 2 between the clusters, but for the last row.
    x = np.array([[1.0, 0.0], [3.0, 0.0], [-1.0, 0.0], [0.0, 5.0]])
    root = math.sqrt(2)
    # (b - a) / max(a, b), with a and b the mean distances within and to the other cluster.
    near = [((2 + root) / 2) / ((2 + root) / 2)] * 2
    far = [(2 - root) / 2, 0.0]
    found = silhouette_on_sample(x, np.array([0, 0, 1, 1]), seed=0)
    assert found == pytest.approx(np.mean([*near, *far]))


def test_silhouette_sample_follows_the_seed() -> None:
    rng = np.random.default_rng(0)
    x, clusters = rng.normal(size=(200, 4)), rng.integers(0, 3, 200)
    first = silhouette_on_sample(x, clusters, seed=1, sample_size=50)
    assert first == silhouette_on_sample(x, clusters, seed=1, sample_size=50)
    assert first != silhouette_on_sample(x, clusters, seed=2, sample_size=50)


def test_kmeans_on_features_ignores_length() -> None:
    x = np.array([[1.0, 0.0], [100.0, 1.0], [0.0, 1.0], [1.0, 100.0]])
    found = kmeans_on_features(x, 2, seed=0)
    assert found[0] == found[1] != found[2] == found[3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": X[:4]}, r"'x' must be \[5, D\] \(got shape \(4, 2\)\)"),
        ({"q": one_hot([0, 1])}, r"'q' must be \[5, 3\] \(got shape \(2, 3\)\)"),
        ({"assignments": np.array([0, 1, 2, 3, 0])}, r"must be in \[0, 2\] \(got \[0, 3\]\)"),
        ({"assignments": np.array([], dtype=np.int64)}, r"not be empty .* \(got 0 rows and 3\)"),
        ({"num_clusters": 1}, r"'num_clusters' at least 2"),
    ],
    ids=["x", "q", "range", "empty", "K"],
)
def test_shapes_that_disagree_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figures(**changes)
