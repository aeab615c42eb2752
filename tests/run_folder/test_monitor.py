import json
import pickle
from pathlib import Path

import pytest
import torch

from iciclegcn.errors import UserError
from iciclegcn.progress import SilentReporter
from iciclegcn.run_folder.monitor import RunMonitor


def monitor_in(folder: Path) -> RunMonitor:
    return RunMonitor(
        folder / "checkpoints" / "pretrain.pt",
        folder / "history.jsonl",
        0,
        "pretrain",
        SilentReporter(),
    )


def steps(folder: Path) -> list[int]:
    lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["step"] for line in lines]


def test_a_fresh_stage_has_no_state(tmp_path: Path) -> None:
    with monitor_in(tmp_path) as monitor:
        assert monitor.load() is None


def test_states_come_back_with_the_history_of_their_time(tmp_path: Path) -> None:
    with monitor_in(tmp_path) as monitor:
        monitor.log(0, loss=1.0)
        monitor.save({"epoch": 1, "model": {"w": torch.arange(3.0)}})
        monitor.log(1, loss=2.0)
    with monitor_in(tmp_path) as monitor:
        state = monitor.load()
        assert state is not None
        assert state["epoch"] == 1
        torch.testing.assert_close(state["model"]["w"], torch.arange(3.0))
        monitor.log(1, loss=3.0)
        monitor.log(2, loss=4.0)
    assert steps(tmp_path) == [0, 1, 2]


def test_without_a_state_the_stage_begins_its_history_anew(tmp_path: Path) -> None:
    for _ in range(2):
        with monitor_in(tmp_path) as monitor:
            monitor.log(0, loss=1.0)
    assert steps(tmp_path) == [0]


def test_seconds_of_earlier_processes_count(tmp_path: Path) -> None:
    with monitor_in(tmp_path) as monitor:
        monitor.save({})
    file = tmp_path / "checkpoints" / "pretrain.pt"
    content = torch.load(file, weights_only=True)
    torch.save(content | {"seconds": 100.0}, file)
    with monitor_in(tmp_path) as monitor:
        assert 100.0 <= monitor.finish() < 130.0


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps({"state": 1}, protocol=2)])
def test_a_damaged_state_is_told(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "pretrain.pt"
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"pretrain\.pt' is damaged; delete it"):
        monitor_in(tmp_path)


def test_states_that_execute_code_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoints" / "pretrain.pt"
    file.parent.mkdir()
    content = {"state": Path("x"), "history_bytes": 0, "seconds": 0.0}
    torch.save(content, file)
    with pytest.raises(UserError, match="damaged"):
        monitor_in(tmp_path)
