import pytest

from benchmarks.paired_test import paired_test


def test_mean_deviation_and_p_of_differences() -> None:
    # t = .15 / (.0707 / sqrt 2) = 3; two-sided with one degree of freedom: p = .2048.
    found = paired_test([0.1, 0.2], "ours_is")
    assert found == {
        "mean_difference": 0.15,
        "std": 0.0707,
        "p": pytest.approx(0.2048, abs=1e-4),
        "pairs": 2,
        "ours_is": "cannot be told",
    }


@pytest.mark.parametrize(("sign", "verdict"), [(1, "better"), (-1, "worse")])
def test_a_small_p_gives_a_verdict(sign: int, verdict: str) -> None:
    differences = [sign * value for value in (0.1, 0.101, 0.099, 0.1)]
    assert paired_test(differences, "ours_is")["ours_is"] == verdict


def test_equal_differences_have_no_p() -> None:
    found = paired_test([0.1, 0.1, 0.1], "ours_is")
    assert found["p"] is None
    assert found["ours_is"] == "cannot be told"
