from typing import Any

import pytest

from benchmarks.claims import CLAIMS, FIGURES, Claim, by_row_and_seed, check, claims_table
from benchmarks.method_parts import BY_NAME


def record(part: str, seed: int, acc: float, ece: float | None = None) -> dict[str, Any]:
    attack = {"epsilons": [4 / 255, 8 / 255], "clean": acc, "accuracies": [acc - 0.1, acc - 0.3]}
    return {
        "part": part,
        "seed": seed,
        "status": "done",
        "figures": {"acc": acc, "nmi": acc, "ari": acc},
        "calibration": None if ece is None else {"ece": ece},
        "without_gcns": None,
        "robustness": {"fgsm": attack, "bim": attack},
    }


MORE = Claim("a is more accurate", "acc", "a", "b")


def test_a_gain_is_taken_within_a_seed() -> None:
    rows = [record("a", 0, 0.6), record("a", 1, 0.9), record("b", 0, 0.5), record("b", 1, 0.7)]
    rows += [record("a", 2, 0.1), record("b", 3, 0.9)]  # without a partner
    found = check(MORE, by_row_and_seed(rows))
    assert found.test is not None
    assert [found.better, found.worse] == pytest.approx([0.75, 0.6])
    assert found.test[:2] == pytest.approx((0.15, 0.0707), abs=1e-4)
    assert (found.test.pairs, found.verdict) == (2, "cannot be told")


@pytest.mark.parametrize(("shift", "verdict"), [(0.1, "holds"), (-0.1, "does not hold")])
def test_clear_rows_decide(shift: float, verdict: str) -> None:
    rows = [record("b", seed, 0.5) for seed in range(3)]
    rows += [record("a", seed, 0.5 + shift + 0.001 * seed) for seed in range(3)]
    assert check(MORE, by_row_and_seed(rows)).verdict == verdict


def test_less_calibration_error_is_a_gain() -> None:
    rows = [record("a", seed, 0.5, 0.1 + 0.01 * seed) for seed in range(3)]
    rows += [record("b", seed, 0.5, 0.3) for seed in range(3)]
    found = check(MORE._replace(figure="ece"), by_row_and_seed(rows))
    assert found.test is not None
    assert found.test.mean == pytest.approx(0.19)
    assert found.verdict == "holds"


def test_robustness_is_what_is_lost_at_eight_of_255_levels() -> None:
    assert FIGURES["lost_fgsm"][0](record("a", 0, 0.9)) == pytest.approx(0.3)
    assert FIGURES["lost_bim"][1] is False


def test_a_row_may_be_held_against_another_figure_of_itself() -> None:
    claim = Claim("c", "acc", "a", "a", "acc_no_gcn")
    row = record("a", 0, 0.6) | {"without_gcns": {"acc": 0.5}}
    found = check(claim, by_row_and_seed([row]))
    assert found.test is not None
    assert found.test.mean == pytest.approx(0.1)
    assert found.test.p is None


def test_what_is_not_measured_decides_nothing() -> None:
    failed = record("a", 0, 0.9) | {"status": "failed"}
    for rows in ([], [record("a", 0, 0.9)], [failed, record("b", 0, 0.1)]):
        found = check(MORE, by_row_and_seed(rows))
        assert (found.better, found.test, found.verdict) == (None, None, "cannot be told")
    # Hard clusters have no calibration.
    rows = [record("a", 0, 0.9), record("b", 0, 0.9, 0.1)]
    assert check(MORE._replace(figure="ece"), by_row_and_seed(rows)).test is None


def test_the_table_gives_numbers_and_says_what_is_missing() -> None:
    rows = [record("a", 0, 0.6), record("a", 1, 0.9), record("b", 0, 0.5), record("b", 1, 0.7)]
    known = by_row_and_seed(rows)
    missing = Claim("x", "lost_fgsm", "x", "b")
    lines = claims_table([check(MORE, known), check(missing, known)]).splitlines()
    numbers = "75.0 against 60.0 | +15.0 ± 7.1 | 0.205 | 2 | cannot be told |"
    assert lines[2] == f"| a is more accurate | ACC | {numbers}"
    assert lines[3] == "| x | lost accuracy, FGSM | not measured |  |  | 0 | cannot be told |"


def test_claims_are_about_rows_and_figures_that_exist() -> None:
    for claim in CLAIMS:
        assert {claim.better, claim.worse} <= set(BY_NAME)
        assert {claim.figure, claim.against or claim.figure} <= set(FIGURES)
        if claim.figure.startswith("lost"):
            assert BY_NAME[claim.better].attacked
            assert BY_NAME[claim.worse].attacked
