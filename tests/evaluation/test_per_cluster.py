import numpy as np
import pytest

from iciclegcn.evaluation import per_cluster
from iciclegcn.evaluation.per_cluster import cluster_table

# On a line: cluster 0 at 0 and 1, cluster 1 at 10 and 14, cluster 3 at 30; 2 is empty.
X = np.array([[0.0], [1.0], [10.0], [14.0], [30.0]])
CLUSTERS = np.array([0, 0, 1, 1, 3])
CONFIDENCES = np.array([0.5, 0.75, 1.0, 0.5, 0.25])
SQUARED = np.array([[1.0], [1.0], [16.0], [16.0], [256.0]])  # to the nearest other row


def test_facts_are_those_of_the_members() -> None:
    table = cluster_table(X, SQUARED, CLUSTERS, CONFIDENCES, 4)
    assert table.sizes.tolist() == [2, 2, 0, 1]
    np.testing.assert_allclose(table.confidences, [0.625, 0.75, np.nan, 0.25])
    # The mean distance of all is 26 / 5.
    np.testing.assert_allclose(table.densities, [5.2, 1.3, np.nan, 0.325])
    assert table.nearest.tolist() == [1, 0, -1, 1]


def test_rows_without_a_cluster_count_in_the_whole_alone() -> None:
    left_out = np.array([0, 0, 1, -1, 3])
    table = cluster_table(X, SQUARED, left_out, CONFIDENCES, 4)
    assert table.sizes.tolist() == [2, 1, 0, 1]
    np.testing.assert_allclose(table.confidences[1], 1.0)
    np.testing.assert_allclose(table.densities[1], 1.3)
    assert table.nearest.tolist() == [1, 0, -1, 1]


def test_blocks_of_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, clusters = rng.normal(size=(50, 3)), rng.integers(-1, 5, 50)
    squared = rng.random((50, 4)).astype(np.float32)
    whole = cluster_table(x, squared, clusters, squared[:, 0], 5)
    monkeypatch.setattr(per_cluster, "_ROWS_AT_A_TIME", 7)
    for a, b in zip(whole, cluster_table(x, squared, clusters, squared[:, 0], 5), strict=True):
        np.testing.assert_allclose(a, b)


def test_cosine_compares_directions() -> None:
    x = np.array([[1.0, 0.0], [9.0, 0.5], [0.5, 0.6]])
    ones = np.ones((3, 1))
    by_length = cluster_table(x, ones, np.arange(3), np.ones(3), 3)
    by_direction = cluster_table(x, ones, np.arange(3), np.ones(3), 3, metric="cosine")
    assert by_length.nearest[0] == 2
    assert by_direction.nearest[0] == 1


def test_copies_and_lonely_clusters_have_nothing_to_compare() -> None:
    table = cluster_table(X[:2], np.zeros((2, 1)), np.array([1, 1]), CONFIDENCES[:2], 2)
    assert np.isnan(table.densities).all()
    assert table.nearest.tolist() == [-1, -1]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one row an image"):
        cluster_table(X, SQUARED[:2], CLUSTERS, CONFIDENCES, 4)
    with pytest.raises(ValueError, match="must be below 'num_clusters', 3"):
        cluster_table(X, SQUARED, CLUSTERS, CONFIDENCES, 3)
