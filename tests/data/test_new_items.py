"""New images and rows, opened in every way and cut into batches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iciclegcn.data.base import ImageSource
from iciclegcn.data.decode import Pixels, UnreadableImageError
from iciclegcn.data.new_items import NewImages, open_new_images, open_new_rows
from iciclegcn.errors import UserError


class Numbered(ImageSource):
    """Images of 2 x 2 pixels that are their number; some are unreadable."""

    def __init__(self, count: int, unreadable: Sequence[int] = ()) -> None:
        self._paths = [str(number) for number in range(count)]
        self._unreadable = unreadable

    @property
    def paths(self) -> Sequence[str]:
        return self._paths

    def fingerprint(self) -> str:
        return ""

    def read(self, index: int, size: int, channels: int) -> Pixels:
        if index in self._unreadable:
            raise UnreadableImageError("torn")
        return np.full((channels, size, size), index, np.uint8)


@pytest.mark.parametrize("count", [1, 4, 20, 21, 150])
@pytest.mark.parametrize("size", [1, 7, 64])
def test_batches_hold_every_image_in_order(count: int, size: int) -> None:
    unreadable = [number for number in (0, 5, 20, 149) if number < count]
    images = NewImages(Numbered(count, unreadable), 2, 3)
    batches = list(images.batches(size))
    kept = [number for number in range(count) if number not in unreadable]
    paths = [path for batch in batches for path in batch.paths]
    assert paths == [str(number) for number in kept]
    pixels = np.concatenate([batch.items for batch in batches])
    assert pixels.shape == (len(kept), 3, 2, 2)
    assert pixels.dtype == np.uint8
    assert pixels[:, 0, 0, 0].tolist() == kept
    skipped = [skipped for batch in batches for skipped in batch.skipped]
    assert skipped == [(str(number), "torn") for number in unreadable]
    assert all(len(batch.paths) == len(batch.items) <= size for batch in batches)
    assert len(images) == count


def test_an_image_file_is_opened_by_its_name(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "white").save(tmp_path / "one.JPG", "JPEG")
    images = open_new_images(str(tmp_path / "one.JPG"), 4, 3)
    [batch] = images.batches(8)
    assert batch.paths == [str(tmp_path / "one.JPG")]
    assert (batch.items == 255).all()
    # A folder may be called like an image.
    (tmp_path / "folder.png").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "folder.png" / "inside.png")
    [batch] = open_new_images(tmp_path / "folder.png", 4, 3).batches(8)
    assert batch.paths == ["inside.png"]


def test_a_list_in_memory_may_name_missing_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (4, 4)).save("here.png")
    [batch] = open_new_images(["gone.png", Path("here.png")], 4, 1).batches(8)
    assert (batch.paths, batch.skipped) == (["here.png"], [("gone.png", "no such file")])
    with pytest.raises(UserError, match=r"'gone\.png' is neither a path nor"):
        open_new_images("gone.png", 4, 1)


def test_rows_are_cut_into_batches() -> None:
    x = np.arange(14.0).reshape(7, 2)
    rows = open_new_rows(x, 2)
    batches = list(rows.batches(3))
    assert [batch.paths for batch in batches] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    np.testing.assert_array_equal(np.concatenate([batch.items for batch in batches]), x)
    assert batches[0].items.dtype == np.float32
    assert len(rows) == 7
