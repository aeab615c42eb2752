import pytest

from benchmarks.paired_test import paired_test


def test_two_differences_by_hand() -> None:
    # t = .15 / (.0707 / sqrt 2) = 3 with one degree of freedom: p = .2048.
    found = paired_test([0.10, 0.20])
    assert found[:4] == pytest.approx((0.15, 0.07071, 0.20483, 2), abs=1e-4)
    assert found.verdict == "cannot be told"


@pytest.mark.parametrize(("sign", "verdict"), [(1, "holds"), (-1, "does not hold")])
def test_clear_differences_decide(sign: int, verdict: str) -> None:
    found = paired_test([sign * gain for gain in (0.10, 0.11, 0.09)])
    assert found.p is not None
    assert found.p < 0.05
    assert found.verdict == verdict


def test_what_has_no_spread_decides_nothing() -> None:
    for differences in ([0.3], [0.3, 0.3, 0.3], [0.0, 0.0]):
        found = paired_test(differences)
        assert (found.p, found.verdict) == (None, "cannot be told")
