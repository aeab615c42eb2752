from pathlib import Path

import pytest

from iciclegcn.errors import UserError
from iciclegcn.run_folder.lock import MANIFEST, closing_on_error, lock_folder


def test_one_process_at_a_time(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path / "run", make=True)
    with pytest.raises(UserError, match="another process is working"):
        lock_folder(tmp_path / "run", make=False)
    lock.close()
    lock_folder(tmp_path / "run", make=False).close()


def test_an_error_lets_others_in(tmp_path: Path) -> None:
    with pytest.raises(KeyError), closing_on_error(lock_folder(tmp_path, make=False)):
        raise KeyError
    lock_folder(tmp_path, make=False).close()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).touch()
    (tmp_path / ".writing-features.npy").touch()
    lock_folder(tmp_path, make=False).close()
    assert not (tmp_path / ".writing-features.npy").exists()
    assert (tmp_path / MANIFEST).exists()


def test_other_places_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.touch()
    with pytest.raises(UserError, match="is a file"):
        lock_folder(file, make=True)
    with pytest.raises(UserError, match="holds other files and no run"):
        lock_folder(tmp_path, make=True)
