import errno
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from iciclegcn.methods.disk_rows import DiskRows, mapped_rows
from iciclegcn.nn.disk_space import NoRoomError


class FullDisk(io.BytesIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_rows_come_back_in_runs_and_at_random(tmp_path: Path) -> None:
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    rows = DiskRows((x[i : i + 7] for i in range(0, 20, 7)), 3, folder=tmp_path)
    assert len(rows) == 20
    assert torch.equal(rows[4:9], x[4:9])
    assert torch.equal(rows[:], x)
    assert torch.equal(rows[18:99], x[18:])
    assert rows[5:5].shape == (0, 3)
    numbers = torch.tensor([19, 0, 0, 7])
    assert torch.equal(rows[numbers], x[numbers])
    assert torch.equal(
        rows.runs([slice(2, 4), slice(9, 9), slice(15, 20)]), x[[2, 3, *range(15, 20)]]
    )
    assert torch.equal(rows.mapped(), x)
    assert list(tmp_path.iterdir()) == []  # nothing is left behind, whatever happens


def test_other_dtypes_become_float32(tmp_path: Path) -> None:
    rows = DiskRows([torch.arange(6, dtype=torch.float64).view(3, 2)], 2, folder=tmp_path)
    assert rows[1:].tolist() == [[2, 3], [4, 5]]
    assert rows[:].dtype is torch.float32


def test_what_is_handed_out_can_be_changed_without_changing_the_file(tmp_path: Path) -> None:
    rows = DiskRows([torch.ones(4, 2)], 2)
    rows[:2].zero_()
    assert rows[:].sum() == 8
    np.save(tmp_path / "x.npy", np.ones((4, 2), np.float32))
    mapped_rows(tmp_path / "x.npy")[:] = 0
    assert mapped_rows(tmp_path / "x.npy").sum() == 8


@pytest.mark.parametrize("folder", [None, Path("here")])
def test_a_full_disk_is_told_with_its_place(
    folder: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: FullDisk())
    with pytest.raises(NoRoomError) as caught:
        DiskRows([torch.ones(4, 2)], 2, folder=folder)
    place, remedy = folder, "make room there"
    if folder is None:
        place, remedy = Path(tempfile.gettempdir()), "set TMPDIR to a folder with room"
    assert str(caught.value) == (
        f"cannot write rows of 2 features to '{place}' (No space left on device); {remedy}"
    )
