import json
from pathlib import Path

import pytest

from graphs.index_file import IndexRecord, read_record, write_record
from graphs.neighbors import SearchReport

RECORD = IndexRecord("l2", 100, 8, "abc", 10, SearchReport("ivf_pq", recall=0.97, effort=16))


def test_a_record_comes_back_unchanged(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD
    assert [file.name for file in tmp_path.iterdir()] == ["index.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "report": 3}'])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"index\.json' is absent or damaged; build the index"):
        read_record(tmp_path)


def test_an_absent_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent or damaged"):
        read_record(tmp_path)


@pytest.mark.parametrize("change", [{"format": 2}, {"metric": "l1"}])
def test_a_record_of_another_version_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write_record(tmp_path, RECORD)
    content = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    (tmp_path / "index.json").write_text(json.dumps(content | change), encoding="utf-8")
    with pytest.raises(ValueError, match="was written by another version"):
        read_record(tmp_path)
