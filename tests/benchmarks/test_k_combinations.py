import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.k_combinations import compare, measure, plot, read_run, run, summarize, table
from iciclegcn.pipeline import run as run_pipeline
from tests.tiny_run import tiny_config, write_images, write_labels


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


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("k_combinations")
    images = write_images(folder / "images.npy")
    labels = write_labels(folder / "labels.csv")
    return run_pipeline(tiny_config(images, data__labels=str(labels)), folder / "run")


def test_rows_come_from_one_run_and_known_rows_are_kept(finished_run: Path) -> None:
    combinations = ((1,), (1, 3, 6))  # 6 is beyond the run's own search
    first = list(run([finished_run], combinations, 1))[-1]
    assert [each["k"] for each in first] == [[1], [1, 3, 6]]
    assert len(first[1]["edges"]) == 3
    assert first[1]["edges"] == sorted(first[1]["edges"])
    again = list(run([finished_run], combinations, 2, first))[-1]
    assert again[:2] == first
    assert [each["seed"] for each in again] == [0, 0, 1, 1]


def test_same_seed_gives_the_runs_own_result(finished_run: Path) -> None:
    stage_one = read_run(finished_run, 3)
    scores = json.loads((finished_run / "metrics.json").read_text(encoding="utf-8"))
    found = measure(stage_one, (1, 3), seed=stage_one.config.seed)
    assert found["acc"] == pytest.approx(scores["heads"]["streams"]["acc"], abs=1e-4)


def test_a_run_without_labels_is_refused(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images.npy")
    folder = run_pipeline(tiny_config(images), tmp_path / "run")
    with pytest.raises(ValueError, match="labels are known"):
        read_run(folder, 3)
