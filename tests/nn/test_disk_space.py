import errno
import os
from pathlib import Path

import pytest

from iciclegcn.nn.disk_space import reserve

SIZE = 1 << 20


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve room")
def test_a_file_has_its_room_and_keeps_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_bytes(b"kept")
    with file.open("r+b") as stream:
        stream.truncate(SIZE)  # as long as that, and nearly nothing on the disk
        reserve(stream.fileno(), SIZE)
    assert file.stat().st_blocks * 512 >= SIZE
    assert file.read_bytes() == b"kept" + bytes(SIZE - 4)


def test_no_bytes_need_no_room(tmp_path: Path) -> None:
    with (tmp_path / "rows").open("w+b") as stream:
        reserve(stream.fileno(), 0)
    assert (tmp_path / "rows").stat().st_size == 0


@pytest.mark.parametrize(
    ("code", "told"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EOPNOTSUPP, False)]
)
def test_a_full_disk_is_told_and_one_that_cannot_reserve_is_not(
    code: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, offset: int, length: int) -> None:
        assert (offset, length) == (0, SIZE)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", fail, raising=False)
    with (tmp_path / "rows").open("w+b") as stream:
        if not told:
            reserve(stream.fileno(), SIZE)
            return
        with pytest.raises(OSError, match=os.strerror(code)):
            reserve(stream.fileno(), SIZE)
