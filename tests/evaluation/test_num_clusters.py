import numpy as np
import pytest

from graphs import knn
from iciclegcn.evaluation.num_clusters import Curves, most_clusters, num_clusters_curves
from iciclegcn.evaluation.suggestion import suggest_num_clusters


def groups(count: int, size: int = 40, dim: int = 6, seed: int = 0) -> np.ndarray:
    """Rows around the corners of a simplex, group after group."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.eye(dim)[:count] * 10, size, axis=0) + rng.normal(size=(count * size, dim))
    return rows.astype(np.float32)


def curves(
    rows: np.ndarray, candidates: list[int], *, sample_size: int = 4000, seed: int = 0
) -> Curves:
    neighbors = knn(rows, 5).indices
    return num_clusters_curves(
        rows, neighbors, candidates, resamples=3, sample_size=sample_size, seed=seed
    )


def test_figures_are_best_at_the_number_of_groups() -> None:
    found = curves(groups(4), [2, 3, 4, 5, 6])
    assert found.num_clusters.tolist() == [2, 3, 4, 5, 6]
    np.testing.assert_allclose(found.stability[:, 2], 1.0)
    np.testing.assert_allclose(found.togetherness[:, 2], 1.0)
    assert (found.stability[:, 3:] < 1).all()
    assert (found.silhouette.argmax(axis=1) == 2).all()
    assert (found.silhouette[:, 2] > found.silhouette_of_one[:, 2] + 0.3).all()
    assert suggest_num_clusters(found).num_clusters == 4


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_suggestion_is_the_number_of_groups(count: int) -> None:
    found = suggest_num_clusters(curves(groups(count), [2, 3, 4, 5, 6, 7, 8]))
    assert (found.num_clusters, found.low, found.high) == (count, count, count)


def test_noise_has_no_number_of_clusters() -> None:
    noise = np.random.default_rng(0).normal(size=(240, 8)).astype(np.float32)
    assert suggest_num_clusters(curves(noise, [2, 3, 4, 5, 6, 7])).num_clusters is None


def test_one_cloud_is_compared_with_itself() -> None:
    shape = np.array([9.0, 1, 1])
    cloud = (np.random.default_rng(0).normal(size=(400, 3)) * shape).astype(np.float32)
    found = curves(cloud, [2, 3, 4])
    np.testing.assert_allclose(
        found.silhouette.mean(axis=0), found.silhouette_of_one.mean(axis=0), atol=0.05
    )
    assert suggest_num_clusters(found).separated == []


def test_the_same_seed_gives_the_same_curves() -> None:
    rows = groups(3)
    first, again = curves(rows, [2, 3], seed=1), curves(rows, [3, 2, 3], seed=1)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    other = curves(rows, [2, 3], seed=2)
    assert (other.silhouette != first.silhouette).any()


def test_togetherness_is_nothing_for_neighbours_drawn_at_random() -> None:
    rows = groups(3, size=200)
    drawn = np.random.default_rng(0).integers(0, len(rows), (len(rows), 10))
    found = num_clusters_curves(rows, drawn, [2, 3, 4], resamples=2)
    np.testing.assert_allclose(found.togetherness, 0, atol=0.05)


def test_a_sample_of_many_rows_is_enough() -> None:
    rows = groups(4, size=200)
    found = curves(rows, [3, 4, 5], sample_size=160)
    assert suggest_num_clusters(found).num_clusters == 4
    np.testing.assert_allclose(found.togetherness[:, 1], 1.0)


def test_copies_are_no_obstacle() -> None:
    rows = np.repeat(groups(3, size=4), 10, axis=0)
    found = curves(rows, [2, 3, 15])
    assert np.isfinite(found.stability).all()
    same = np.ones((40, 2), np.float32)
    found = curves(same, [2, 3])
    assert (found.silhouette == 0).all()
    assert (found.togetherness == 0).all()


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    rows = groups(2)
    neighbors = knn(rows, 3).indices
    num_clusters_curves(
        rows, neighbors, [2], resamples=2, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("candidates", "resamples", "fragment"),
    [
        ([1, 2], 2, r"'candidates' must be in \[2, 10\] for 80 rows"),
        ([2, 11], 2, r"\[2, 10\]"),
        ([], 2, "'candidates'"),
        ([2], 1, "'resamples' must be at least 2"),
    ],
)
def test_what_does_not_fit_is_refused(candidates: list[int], resamples: int, fragment: str) -> None:
    rows = groups(2)
    with pytest.raises(ValueError, match=fragment):
        num_clusters_curves(rows, knn(rows, 3).indices, candidates, resamples=resamples)
    with pytest.raises(ValueError, match="must have one length"):
        num_clusters_curves(rows, knn(rows, 3).indices[:5], [2])


def test_halves_must_have_four_rows_a_cluster() -> None:
    assert most_clusters(160) == 20
    assert most_clusters(10**6) == 500
