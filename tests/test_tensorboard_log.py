from pathlib import Path

import pytest

from iciclegcn.errors import UserError
from iciclegcn.pipeline import run
from iciclegcn.tensorboard_log import ScalarLog, forget, require_tensorboard
from tests.tiny_run import tiny_config, write_images

pytest.importorskip("tensorboard", reason="tensorboard is not installed")


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard reads: value by step by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: {each.step: each.value for each in events.Scalars(name)} for name in names}


def test_rows_become_curves(tmp_path: Path) -> None:
    with ScalarLog(tmp_path, "pretrain") as log:
        log.append(0, {"loss": 3.0, "cluster": 1.0})
        log.append(1, {"loss": 2.0})
    assert scalars(tmp_path / "tensorboard" / "pretrain") == {
        "loss": {0: 3.0, 1: 2.0},
        "cluster": {0: 1.0},
    }


def test_steps_that_are_done_again_replace_the_lost_ones(tmp_path: Path) -> None:
    with ScalarLog(tmp_path, "pretrain") as log:
        for step in range(4):
            log.append(step, {"loss": float(step)})
    with ScalarLog(tmp_path, "pretrain") as log:  # from a state saved after two steps
        log.append(2, {"loss": 20.0})
    assert scalars(tmp_path / "tensorboard" / "pretrain")["loss"] == {0: 0.0, 1: 1.0, 2: 20.0}


def test_a_log_without_rows_leaves_nothing(tmp_path: Path) -> None:
    with ScalarLog(tmp_path, "data"):
        pass
    assert list(tmp_path.iterdir()) == []
    forget(tmp_path)


def test_without_tensorboard_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_tensorboard()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'iciclegcn\[tensorboard\]'"):
        require_tensorboard()


def test_a_run_is_watched_and_is_otherwise_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))
    config = tiny_config(write_images(tmp_path / "images.npy"))
    watched = run(config, tmp_path / "watched", tensorboard=True)
    plain = run(config, tmp_path / "plain")
    for name in ("assignments.csv", "history.jsonl"):
        assert (watched / name).read_bytes() == (plain / name).read_bytes()
    assert not (plain / "tensorboard").exists()
    cluster = scalars(watched / "tensorboard" / "cluster")
    assert sorted(cluster["loss"]) == [0, 1, 2, 3]
    assert sorted(cluster["changed"]) == [1, 2, 3]
    assert "mean_confidence" in scalars(watched / "tensorboard" / "results")
