import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.pipeline import run
from iciclegcn.report.tensorboard import log_finished_run, montage, results
from tests.report.example import example
from tests.test_tensorboard_log import scalars
from tests.tiny_run import tiny_config, write_images

pytest.importorskip("tensorboard", reason="tensorboard is not installed")


def test_results_are_the_figures_of_merit(tmp_path: Path) -> None:
    found = results(example(tmp_path))
    assert found["mean_confidence"] == 0.8
    assert found["acc/output"] == pytest.approx(5 / 6)
    without = dataclasses.replace(example(tmp_path), metrics={"mean_confidence": 0.5})
    assert results(without) == {"mean_confidence": 0.5}


def test_a_montage_has_a_line_a_list() -> None:
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 2, 2, 2), np.uint8)
    whole = montage(images + 1, [np.array([2, 0]), np.array([1])])
    assert whole.shape == (2, 4, 4)
    assert whole[0, ::2, ::2].tolist() == [[3, 1], [2, 0]]


def test_a_finished_run_is_written_whole_and_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))
    out = run(tiny_config(write_images(tmp_path / "images.npy")), tmp_path / "run")
    for _ in range(2):
        folder = log_finished_run(out)
    rows = list(map(json.loads, (out / "history.jsonl").read_text(encoding="utf-8").splitlines()))
    expected = {row["step"]: row["loss"] for row in rows if row["stage"] == "pretrain"}
    assert scalars(folder / "pretrain")["loss"] == pytest.approx(expected)
    events = EventAccumulator(str(folder / "results"))
    events.Reload()
    assert set(events.Tags()["images"]) == {
        f"clusters/{view}" for view in ("typical", "uncertain", "borderline")
    }
    assert events.Tags()["histograms"] == ["confidence"]
    assert len(list((folder / "results").iterdir())) == 1
