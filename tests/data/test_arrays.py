import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iciclegcn.data.arrays import ArraySource, open_array
from iciclegcn.data.decode import UnreadableImageError
from iciclegcn.errors import UserError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (3, 6, 6), np.uint8)
COLOR = RNG.integers(0, 256, (3, 6, 8, 3), np.uint8)


def save(tmp_path: Path, array: Any) -> Path:
    np.save(tmp_path / "x.npy", array)
    return tmp_path / "x.npy"


def test_npy_gives_its_pixels_without_loading_them(tmp_path: Path) -> None:
    source = open_array("x", save(tmp_path, GREY))
    assert isinstance(source._images, np.memmap)
    assert source.paths == ["0", "1", "2"]
    assert (source.native_size, source.native_channels) == (6, 1)
    for index in range(3):
        np.testing.assert_array_equal(source.read(index, 6, 1)[0], GREY[index])


def test_color_array_is_cropped_at_the_centre(tmp_path: Path) -> None:
    source = open_array("x", save(tmp_path, COLOR))
    assert (source.native_size, source.native_channels) == (6, 3)
    np.testing.assert_array_equal(source.read(1, 6, 3), COLOR[1, :, 1:7].transpose(2, 0, 1))


@pytest.mark.parametrize(
    "array", [GREY / 255, (GREY / 255).astype(np.float32), GREY.astype(np.uint16) * 257]
)
def test_other_number_types_give_the_same_pixels(tmp_path: Path, array: Any) -> None:
    source = open_array("x", save(tmp_path, array))
    np.testing.assert_array_equal(source.read(2, 6, 1)[0], GREY[2])


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": GREY, "y": np.arange(3)},
        {"x": GREY, "features": np.zeros((3, 5, 5))},
        {"pictures": GREY, "y": np.arange(3)},
        {"arr_0": GREY},
    ],
)
def test_npz_gives_the_images_among_its_arrays(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    source = open_array("x", tmp_path / "x.npz")
    np.testing.assert_array_equal(source.read(0, 6, 1)[0], GREY[0])


def test_a_bare_array_in_a_npz_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as stream:
        np.save(stream, GREY)
    with pytest.raises(UserError, match=r"not a readable NumPy array file .*a bare array"):
        open_array("x", tmp_path / "x.npz")


def test_npz_without_clear_images_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", left=GREY, right=GREY)
    with pytest.raises(UserError, match="holds the arrays left, right"):
        open_array("x", tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 4)), r"got shape 5x4"),
        (np.zeros((5, 3, 8, 8), np.uint8), "move the channels last"),
        (np.zeros((5, 8, 8, 2), np.uint8), "C = 1, 3 or 4"),
        (np.zeros((0, 8, 8), np.uint8), "holds no images"),
        (np.zeros((2, 8, 8), np.int64), "got int64"),
        (np.zeros((2, 8, 8), complex), "got complex128"),
        (np.full((2, 8, 8), 16.0), "0 and 1 .got 16 to 16."),
        (np.full((2, 8, 8), -1.0), "0 and 1"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path: Path, array: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_array("x", save(tmp_path, array))


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="not a readable NumPy array"):
        open_array("x", tmp_path / "x.npy")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x93NUMPY\x01\x00", b"PK\x03\x04rest"])
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="not a readable NumPy array"):
        open_array("x", tmp_path / name)


def test_image_with_nan_is_unreadable_and_the_others_are_not(tmp_path: Path) -> None:
    array = GREY / 255
    array[1, 0, 0] = np.nan
    source = open_array("x", save(tmp_path, array))
    with pytest.raises(UnreadableImageError, match="not finite"):
        source.read(1, 6, 1)
    np.testing.assert_array_equal(source.read(2, 6, 1)[0], GREY[2])


def test_fingerprint_of_memory_follows_the_content() -> None:
    same = ArraySource("x", GREY.copy()).fingerprint()
    assert ArraySource("y", GREY).fingerprint() == same
    changed = GREY.copy()
    changed[0, 0, 0] ^= 1
    assert ArraySource("x", changed).fingerprint() != same
    assert ArraySource("x", GREY[:, :, :, None]).fingerprint() != same


def test_fingerprint_of_a_file_follows_its_time(tmp_path: Path) -> None:
    file = save(tmp_path, GREY)
    before = open_array("x", file).fingerprint()
    assert open_array("x", file).fingerprint() == before
    os.utime(file, ns=(0, 1))
    assert open_array("x", file).fingerprint() != before
