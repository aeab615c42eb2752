from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale_tables import compare, plot, summarize, table


def row(k: list[int], seed: int, acc: float) -> dict[str, Any]:
    return {
        "run": "seed-0",
        "seed": seed,
        "k": k,
        "acc": acc,
        "nmi": acc / 2,
        "ari": 0.25,
        "seconds": 2.0,
        "peak_mib": 10.0,
        "edges": [4] * len(k),
        "homophily": [0.5] * len(k),
    }


ROWS = [
    row([1], 0, 0.50),
    row([10], 0, 0.60),
    row([1, 10], 0, 0.65),
    row([1], 1, 0.40),
    row([10], 1, 0.60),
    row([1, 10], 1, 0.70),
]


def test_compare_takes_the_mean_of_each_kind_within_a_pair() -> None:
    # Pair differences: .65 - .55 = .10 and .70 - .50 = .20; t = .15 / (.0707 / sqrt 2) = 3.
    found = compare(ROWS)["mean_of_each"]["acc"]
    assert found["mean_difference"] == pytest.approx(0.15)
    assert found["std"] == pytest.approx(0.0707, abs=1e-4)
    assert found["p"] == pytest.approx(0.2048, abs=1e-4)  # two-sided, one degree of freedom
    assert found["pairs"] == 2
    assert found["multi_scale_is"] == "cannot be told"


def test_compare_says_better_or_worse_when_the_test_does() -> None:
    rows = []
    for seed, noise in enumerate((0.001, -0.001, 0.002, -0.002)):
        rows += [row([5], seed, 0.5), row([3, 5], seed, 0.6 + noise)]
    assert compare(rows)["mean_of_each"]["acc"]["multi_scale_is"] == "better"
    swapped = [{**each, "k": [1] if len(each["k"]) == 2 else [1, 3]} for each in rows]
    assert compare(swapped)["mean_of_each"]["acc"]["multi_scale_is"] == "worse"


def test_compare_needs_two_pairs_and_both_kinds() -> None:
    nothing: dict[str, object] = {"mean_of_each": {}, "best_of_each": {}}
    assert compare(ROWS[:3]) == nothing
    assert compare([each for each in ROWS if len(each["k"]) == 1]) == nothing
    assert compare([]) == nothing


def test_the_best_of_each_kind_meet_pair_by_pair() -> None:
    # 10 is the better single scale: .65 - .60 and .70 - .60.
    found = compare(ROWS)["best_of_each"]["acc"]
    assert (found["single_scale"], found["multi_scale"]) == ([10], [1, 10])
    assert found["mean_difference"] == pytest.approx(0.075)
    # A second combination, better in the mean, takes the first one's place.
    rows = [*ROWS, row([3, 10], 0, 0.9), row([3, 10], 1, 0.5)]
    assert compare(rows)["best_of_each"]["acc"]["multi_scale"] == [3, 10]
    assert compare(rows)["best_of_each"]["acc"]["mean_difference"] == pytest.approx(0.1)


def test_compare_of_equal_rows_cannot_be_told() -> None:
    assert compare(ROWS)["mean_of_each"]["ari"]["multi_scale_is"] == "cannot be told"
    assert compare(ROWS)["mean_of_each"]["ari"]["mean_difference"] == 0


def test_summarize_and_table_give_mean_and_deviation_in_the_rows_order() -> None:
    summary = summarize(ROWS)
    assert [entry["k"] for entry in summary] == [[1], [10], [1, 10]]
    assert summary[0]["n"] == 2
    assert summary[0]["acc"] == {"mean": 0.45, "std": 0.0707}
    lines = table(summary).splitlines()
    assert lines[2] == "| 1 | 45.0 ± 7.1 | 22.5 ± 3.5 | 25.0 ± 0.0 | 4 | 0.500 | 2.0 | 10 |"
    assert lines[4].startswith("| 1 + 10 | 67.5 ± 3.5 |")
    assert "| 4 + 4 | 0.500 + 0.500 |" in lines[4]


def test_plot_writes_a_picture(tmp_path: Path) -> None:
    plot(summarize(ROWS), "digits", tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
