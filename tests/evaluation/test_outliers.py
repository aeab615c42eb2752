import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor

from graphs import knn
from iciclegcn.evaluation.outliers import find_outliers, outlier_factors


def blobs(seed: int = 0) -> np.ndarray:
    """A dense and a wide group of 100 rows each, then three rows away from both."""
    rng = np.random.default_rng(seed)
    dense, wide = rng.normal(0, 0.1, (100, 2)), rng.normal(8, 1.0, (100, 2))
    away = [[1.5, 1.5], [-1.0, 2.0], [8.0, 20.0]]
    return np.concatenate([dense, wide, away]).astype(np.float32)


def test_factors_are_those_of_scikit_learn() -> None:
    x = blobs()
    found = knn(x, 10)
    factors = outlier_factors(found.indices, found.squared_distances)
    theirs = LocalOutlierFactor(n_neighbors=10).fit(x.astype(np.float64))
    np.testing.assert_allclose(factors, -theirs.negative_outlier_factor_, rtol=1e-4)


def test_a_lattice_has_factors_of_one() -> None:
    x = np.stack(np.meshgrid(*[np.arange(9.0)] * 2), axis=-1).reshape(-1, 2)
    found = knn(x, 4)
    inside = ((x > 2) & (x < 6)).all(axis=1)
    factors = outlier_factors(found.indices, found.squared_distances)
    np.testing.assert_allclose(factors[inside], 1.0)
    assert len(find_outliers(found.indices, found.squared_distances).indices) == 0


def test_what_is_away_is_found_wherever_the_groups_are_dense_or_wide() -> None:
    found = knn(blobs(), 10)
    outliers = find_outliers(found.indices, found.squared_distances)
    assert set(outliers.indices[:3]) == {200, 201, 202}
    assert len(outliers.indices) <= 15  # and little but the tails of the groups
    assert (np.diff(outliers.scores) <= 0).all()


def test_rows_do_not_stand_out_for_having_copies_nearby() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    x[:20] = x[0]
    found = knn(x, 5)
    factors = outlier_factors(found.indices, found.squared_distances)
    assert np.isfinite(factors).all()
    copies = knn(np.ones((30, 3), np.float32), 5)
    assert len(find_outliers(copies.indices, copies.squared_distances).indices) == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        outlier_factors(np.zeros((3, 2), np.int64), np.zeros((3, 1)))
