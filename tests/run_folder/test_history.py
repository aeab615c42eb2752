import json
from pathlib import Path

import pytest

import iciclegcn.run_folder.history
from iciclegcn.run_folder.history import History


def rows(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_rows_hold_every_term_exactly(tmp_path: Path) -> None:
    history = History(tmp_path / "h.jsonl", 0)
    history.append("pretrain", 3, {"loss": 0.1 + 0.2, "instance": 1e-30})
    history.close()
    expected = {"stage": "pretrain", "step": 3, "loss": 0.1 + 0.2, "instance": 1e-30}
    assert rows(tmp_path / "h.jsonl") == [expected]


def test_rows_behind_the_remembered_length_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    history = History(file, 0)
    history.append("pretrain", 0, {"loss": 1.0})
    length = history.sync()
    history.append("pretrain", 1, {"loss": 2.0})
    history.close()
    assert len(rows(file)) == 2

    history = History(file, length)
    history.append("pretrain", 1, {"loss": 3.0})
    history.close()
    assert [row["loss"] for row in rows(file)] == [1.0, 3.0]


def test_a_row_cut_short_by_a_kill_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    history = History(file, 0)
    history.append("pretrain", 0, {"loss": 1.0})
    length = history.sync()
    history.close()
    with file.open("ab") as stream:
        stream.write(b'{"stage": "pre')
    History(file, length).close()
    assert len(rows(file)) == 1


def test_a_file_that_was_shortened_is_kept_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "h.jsonl"
    file.write_bytes(b"{}\n")
    History(file, 1000).close()
    assert file.read_bytes() == b"{}\n"


def test_rows_are_visible_to_others_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iciclegcn.run_folder.history, "_FLUSH_INTERVAL", 0.0)
    history = History(tmp_path / "h.jsonl", 0)
    history.append("cluster", 0, {})
    assert len(rows(tmp_path / "h.jsonl")) == 1
    history.close()
