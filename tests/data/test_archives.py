import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.data.archives import ZipSource
from iciclegcn.data.decode import UnreadableImageError
from iciclegcn.data.files import open_folder
from iciclegcn.errors import UserError

SaveImage = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, save_image: SaveImage) -> Path:
    root = tmp_path / "pictures"
    for number, name in enumerate(["b/1.png", "a/2.jpg", "a/.x.png", "__MACOSX/a/2.jpg", "c.gif"]):
        save_image(root / name, 10 * number)
    (root / "readme.txt").write_text("no image")
    return root


def pack(file: Path, root: Path, *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.mkdir("empty.png")
        for path in sorted(root.rglob("*"), reverse=True):
            archive.write(path, path.relative_to(root))
    return file


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_equals_the_folder_it_was_made_of(
    tmp_path: Path, folder: Path, compression: int
) -> None:
    zipped = ZipSource("x", pack(tmp_path / "x.zip", folder, compression=compression))
    plain = open_folder("x", folder)
    assert zipped.paths == plain.paths == ["a/2.jpg", "b/1.png", "c.gif"]
    for index in range(3):
        np.testing.assert_array_equal(zipped.read(index, 4, 3), plain.read(index, 4, 3))


def test_zip_extracts_nothing(tmp_path: Path, folder: Path) -> None:
    file = pack(tmp_path / "x.zip", folder)
    before = sorted(tmp_path.rglob("*"))
    source = ZipSource("x", file)
    for index in range(len(source)):
        source.read(index, 4, 3)
    assert sorted(tmp_path.rglob("*")) == before


def test_zip_is_read_from_many_threads(tmp_path: Path, save_image: SaveImage) -> None:
    for grey in range(64):
        save_image(tmp_path / "many" / f"{grey:02}.png", grey)
    source = ZipSource("x", pack(tmp_path / "x.zip", tmp_path / "many"))
    with ThreadPoolExecutor(8) as pool:
        greys = list(pool.map(lambda i: int(source.read(i, 4, 1)[0, 0, 0]), range(64)))
    assert greys == list(range(64))


def test_names_that_leave_the_archive_are_unreadable(tmp_path: Path, save_image: SaveImage) -> None:
    image = save_image(tmp_path / "x.png").read_bytes()
    names = ["../up.png", "/etc/root.png", "a/../../up.png", "good.png"]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in names:
            archive.writestr(name, image)
    source = ZipSource("x", tmp_path / "x.zip")
    assert source.paths == sorted(names)
    for index, name in enumerate(source.paths):
        if name == "good.png":
            assert source.read(index, 4, 1).shape == (1, 4, 4)
        else:
            with pytest.raises(UnreadableImageError, match="leaves the archive"):
                source.read(index, 4, 1)


def test_damaged_member_is_unreadable(tmp_path: Path, folder: Path) -> None:
    file = pack(tmp_path / "x.zip", folder, compression=zipfile.ZIP_STORED)
    source = ZipSource("x", file)
    content = bytearray(file.read_bytes())
    place = content.index(b"GIF8") + 20
    content[place] ^= 255
    file.write_bytes(content)
    with pytest.raises(UnreadableImageError, match="CRC"):
        ZipSource("x", file).read(source.paths.index("c.gif"), 4, 1)


def test_member_that_promises_too_much_is_unreadable(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ZipSource("x", pack(tmp_path / "x.zip", folder))
    monkeypatch.setattr("iciclegcn.data.archives.MAX_FILE_BYTES", 10)
    with pytest.raises(UnreadableImageError, match="too large"):
        source.read(0, 4, 1)


def test_fingerprint_follows_the_content_and_not_the_place(tmp_path: Path, folder: Path) -> None:
    first = ZipSource("x", pack(tmp_path / "x.zip", folder))
    moved = ZipSource("y", pack(tmp_path / "y.zip", folder, compression=zipfile.ZIP_STORED))
    assert first.fingerprint() == moved.fingerprint()
    (folder / "c.gif").write_bytes((folder / "c.gif").read_bytes()[:-1] + b"!")
    changed = ZipSource("x", pack(tmp_path / "x2.zip", folder))
    assert changed.fingerprint() != first.fingerprint()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(10)])
def test_broken_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(content)
    with pytest.raises(UserError, match="not a readable zip"):
        ZipSource("x", file)


def test_zip_without_images_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("readme.txt", "no image")
    with pytest.raises(UserError, match="holds no images"):
        ZipSource("x", tmp_path / "x.zip")
