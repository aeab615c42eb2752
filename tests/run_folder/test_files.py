import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from iciclegcn.errors import UserError
from iciclegcn.run_folder.files import (
    LOCK,
    FolderLock,
    is_leftover,
    read_csv,
    read_json,
    remove_leftovers,
    write_atomically,
    write_csv,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_text(file, "old")

    def fail(stream: BinaryIO) -> None:
        stream.write(b"half of the n")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left on device"):
        write_atomically(file, fail)
    assert file.read_text(encoding="utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_file_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.txt"

    def write(stream: BinaryIO) -> None:
        stream.write(b"x")
        assert not file.exists()
        assert all(is_leftover(entry.name) for entry in file.parent.iterdir())

    write_atomically(file, write)
    assert file.read_bytes() == b"x"
    assert list(file.parent.iterdir()) == [file]


def test_who_reads_the_old_file_reads_on(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_text(file, "old")
    with file.open(encoding="utf-8") as stream:
        write_text(file, "new")
        assert stream.read() == "old"
    assert file.read_text(encoding="utf-8") == "new"


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from iciclegcn.run_folder.files import write_atomically;"
        "write_atomically(pathlib.Path(sys.argv[1]) / 'deep/a', lambda stream: os._exit(9))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list((tmp_path / "deep").iterdir())) == 1
    remove_leftovers(tmp_path)
    assert list((tmp_path / "deep").iterdir()) == []


def test_what_another_run_inside_is_writing_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "inner" / "checkpoints").mkdir(parents=True)
    (tmp_path / "checkpoints").mkdir()
    for place in (tmp_path, tmp_path / "inner"):
        (place / LOCK).touch()
        (place / "checkpoints" / ".writing-train.pt").touch()
    remove_leftovers(tmp_path)
    assert not list((tmp_path / "checkpoints").iterdir())
    assert len(list((tmp_path / "inner" / "checkpoints").iterdir())) == 1


def test_tables_survive_commas_quotes_and_line_feeds(tmp_path: Path) -> None:
    rows = [['a,"b"\n', "é"], ["plain", ""]]
    write_csv(tmp_path / "t.csv", ("path", "x"), rows)
    assert (tmp_path / "t.csv").read_bytes() == b'path,x\n"a,""b""\n",\xc3\xa9\nplain,\n'
    assert read_csv(tmp_path / "t.csv", ("path", "x")) == rows


@pytest.mark.parametrize("text", ["", "path\na\n", "path,x\na\n", "x,path\n1,2\n"])
def test_a_damaged_table_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"t\.csv' is damaged"):
        read_csv(tmp_path / "t.csv", ("path", "x"))


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": \x00}'])
def test_damaged_json_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"a\.json' is damaged"):
        read_json(tmp_path / "a.json")


def test_numbers_that_are_not_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_a_lock_keeps_others_out_until_it_is_closed(tmp_path: Path) -> None:
    first = FolderLock(tmp_path / ".lock")
    with pytest.raises(UserError, match="another process is working in"):
        FolderLock(tmp_path / ".lock")
    first.close()
    FolderLock(tmp_path / ".lock").close()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from iciclegcn.run_folder.files import FolderLock;"
        "lock = FolderLock(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    file = tmp_path / ".lock"
    done = subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert done.returncode == -9
    FolderLock(file).close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write to"):
        FolderLock(tmp_path / ".lock")
