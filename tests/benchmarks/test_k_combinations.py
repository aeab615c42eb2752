import json
from pathlib import Path

import pytest

from benchmarks.k_combinations import measure, read_run, run
from iciclegcn.pipeline import run as run_pipeline
from tests.tiny_run import tiny_config, write_images, write_labels


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
