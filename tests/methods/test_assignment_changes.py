import json
from pathlib import Path

import pytest
import torch

from iciclegcn.methods.assignment_changes import AssignmentChanges
from iciclegcn.pipeline import run
from tests.tiny_run import tiny_config, tiny_gcc, tiny_on_a_run, write_images


def test_the_first_look_tells_nothing() -> None:
    changes = AssignmentChanges()
    changes.look(torch.tensor([0, 1, 2]))
    assert changes.take() == {}


def test_the_share_of_changed_nodes_is_told_once() -> None:
    changes = AssignmentChanges()
    changes.look(torch.tensor([0, 1, 2, 0]))
    changes.look(torch.tensor([0, 2, 2, 1]))
    assert changes.take() == {"changed": 0.5}
    assert changes.take() == {}
    changes.look(torch.tensor([0, 2, 2, 1]))
    assert changes.take() == {"changed": 0.0}


def test_only_rows_seen_before_count() -> None:
    changes = AssignmentChanges()
    changes.look(torch.tensor([3, 3]), torch.tensor([0, 2]), total=4)
    assert changes.take() == {}
    changes.look(torch.tensor([1, 1, 3]), torch.tensor([1, 2, 0]), total=4)
    assert changes.take() == {"changed": 0.5}  # row 1 is new, row 2 changed, row 0 did not


def test_heads_are_averaged() -> None:
    changes = AssignmentChanges()
    changes.look(torch.tensor([[0, 1], [1, 1]]))
    changes.look(torch.tensor([[0, 0], [1, 1]]))
    assert changes.take() == {"changed": 0.25}


def test_a_resumed_count_goes_on() -> None:
    first, second = AssignmentChanges(), AssignmentChanges()
    first.look(torch.tensor([0, 1]))
    state = first.state_dict()
    first.look(torch.tensor([5, 5]))  # the state is a copy
    second.load_state_dict(state)
    second.look(torch.tensor([0, 0]))
    assert second.take() == {"changed": 0.5}


def test_no_state_is_a_fresh_start() -> None:
    changes = AssignmentChanges()
    changes.load_state_dict(AssignmentChanges().state_dict())
    changes.look(torch.tensor([0, 1]))
    assert changes.take() == {}


def changed(folder: Path, stage: str) -> list[float]:
    rows = map(json.loads, (folder / "history.jsonl").read_text(encoding="utf-8").splitlines())
    return [row["changed"] for row in rows if row["stage"] == stage and "changed" in row]


def test_every_method_tells_its_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))
    images = write_images(tmp_path / "images.npy")
    icicle = run(tiny_config(images), tmp_path / "icicle")
    gcc = run(tiny_gcc(images), tmp_path / "gcc")
    told = [changed(icicle, "cluster"), changed(gcc, "train")]
    for method in ("self-label", "ruc"):
        told.append(changed(run(tiny_on_a_run(tiny_gcc(images), method), gcc / method), "train"))
    # Iterations after the first; batches of the epoch after the first with a graph; batches of
    # the epoch after the first; RUC looks between epochs, and its first look has no other.
    assert [len(shares) for shares in told] == [3, 3, 3, 0]
    assert all(0 <= share <= 1 for shares in told for share in shares)
