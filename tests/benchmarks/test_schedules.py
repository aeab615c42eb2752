import pytest

from benchmarks.schedules import Costs, Trial, costs, fitting_epochs, longer_trial


def test_two_trials_give_the_line_through_them() -> None:
    found = costs([Trial((1,), 5.0), Trial((5,), 13.0)])
    assert found.once == pytest.approx(3)
    assert found.per_epoch == pytest.approx((2,))
    assert found.seconds((10,)) == pytest.approx(23)


def test_two_kinds_of_epochs_are_told_apart() -> None:
    trials = [Trial((1, 0), 3.0), Trial((4, 0), 9.0), Trial((1, 3), 18.0)]
    found = costs(trials)
    assert found.once == pytest.approx(1)
    assert found.per_epoch == pytest.approx((2, 5))


def test_a_trial_lasts_ten_seconds_within_bounds() -> None:
    assert longer_trial(Trial((1,), 2.5)) == 4
    assert longer_trial(Trial((1, 1), 60.0)) == 2
    assert longer_trial(Trial((1,), 0.01)) == 50


def test_noise_never_makes_an_epoch_free() -> None:
    found = costs([Trial((1,), 6.0), Trial((4,), 5.0)])
    assert found.per_epoch == pytest.approx((6.0,))  # the slowest trial had one epoch
    assert costs([Trial((1,), 1.0), Trial((3,), 9.0)]).once == 0  # -3 by the line


def test_trials_must_tell_the_costs_apart() -> None:
    with pytest.raises(ValueError, match="tell 3 costs apart"):
        costs([Trial((1, 1), 3.0), Trial((2, 2), 6.0), Trial((3, 3), 9.0)])


def test_epochs_fill_the_budget_and_no_more() -> None:
    assert fitting_epochs(Costs(3.0, (2.0,)), 24.0) == 10
    assert fitting_epochs(Costs(3.0, (2.0,)), 22.9) == 9
    assert fitting_epochs(Costs(3.0, (2.0,)), 1.0) == 1  # a method is run, however short
    # 3/8 of 2 s and 5/8 of 5 s are 3.875 s an epoch.
    assert fitting_epochs(Costs(1.0, (2.0, 5.0)), 39.75, (0.375, 0.625)) == 10
    assert fitting_epochs(Costs(1.0, (2.0, 5.0)), 39.74, (0.375, 0.625)) == 9
