import numpy as np
import pytest

from iciclegcn.data.feature_scaling import FeatureScaling, fit_scaling


def test_unit_scaling_moves_columns_and_divides_by_one_number() -> None:
    x = np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 16.0]])
    # Means 3 and 12; deviations -2, 0, 2 and -2, -2, 4: mean square 32 / 6.
    scaling = fit_scaling([x], 2, "unit")
    np.testing.assert_allclose(scaling.center, [3, 12])
    assert scaling.scale == pytest.approx(np.sqrt(32 / 6))
    scaled = scaling.apply(x)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    assert np.square(scaled).mean() == pytest.approx(1)
    np.testing.assert_allclose(scaling.undo(scaled), x, rtol=1e-6)


def test_blocks_give_what_the_whole_gives_also_far_from_zero() -> None:
    x = np.random.default_rng(0).standard_normal((101, 3)) + 1e6
    whole = fit_scaling([x], 3, "unit")
    parts = fit_scaling([x[:7], x[7:60], x[60:]], 3, "unit")
    np.testing.assert_allclose(parts.center, whole.center)
    assert parts.scale == pytest.approx(whole.scale, rel=1e-9)
    assert whole.scale == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e7])
def test_rows_that_are_all_alike_are_not_blown_up(value: float) -> None:
    scaling = fit_scaling([np.full((5, 2), value, np.float32)], 2, "unit")
    assert scaling.scale == 1
    np.testing.assert_array_equal(scaling.apply(np.full((1, 2), value, np.float32)), 0)


def test_no_scaling_changes_nothing_but_the_dtype() -> None:
    x = np.array([[1.5, -2.0]])
    np.testing.assert_array_equal(fit_scaling([x], 2, "none").apply(x), x.astype(np.float32))


def test_scaling_survives_a_file() -> None:
    scaling = fit_scaling([np.arange(6.0).reshape(3, 2)], 2, "unit")
    back = FeatureScaling.from_arrays(scaling.to_arrays())
    np.testing.assert_array_equal(back.center, scaling.center)
    assert back.scale == scaling.scale
