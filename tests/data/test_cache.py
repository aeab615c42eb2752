import os
import platform
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iciclegcn.config import DataConfig
from iciclegcn.data.cache import (
    CachedImages,
    cache_shape,
    default_cache_dir,
    load_or_build_cache,
)
from iciclegcn.data.sources import open_source
from iciclegcn.errors import UserError
from iciclegcn.monitor import NullMonitor

SaveImage = Callable[..., Path]


def load(config: DataConfig, cache_dir: Path) -> CachedImages:
    source = open_source(config)
    return load_or_build_cache(source, config, cache_dir=cache_dir, monitor=NullMonitor())


@pytest.fixture
def config(tmp_path: Path, save_image: SaveImage) -> DataConfig:
    """Six greys and, between them, two unreadable files."""
    for number in range(6):
        save_image(tmp_path / "photos" / f"{number}.png", 40 * number, side=8)
    (tmp_path / "photos" / "2b.png").write_bytes(b"")
    (tmp_path / "photos" / "4b.jpg").write_bytes(b"no image")
    return DataConfig(str(tmp_path / "photos"), cache_size=4, channels=1)


def test_rows_are_the_readable_images_in_order(config: DataConfig, tmp_path: Path) -> None:
    cached = load(config, tmp_path / "cache")
    assert isinstance(cached.images, np.memmap)
    assert cached.images.dtype == np.uint8
    assert cached.images.shape == (6, 1, 4, 4)
    assert cached.images[:, 0, 2, 2].tolist() == [0, 40, 80, 120, 160, 200]
    assert cached.paths == [f"{number}.png" for number in range(6)]
    assert cached.kept.tolist() == [0, 1, 2, 4, 5, 7]
    assert cached.kept.dtype == np.int64


def test_unreadable_files_are_listed_with_their_reason(config: DataConfig, tmp_path: Path) -> None:
    expected = [("2b.png", "the file is empty"), ("4b.jpg", "not an image in a known format")]
    assert load(config, tmp_path / "cache").skipped == expected
    assert load(config, tmp_path / "cache").skipped == expected


def test_second_load_decodes_nothing(
    config: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(config, tmp_path / "cache")

    def refuse(*_: object) -> None:
        raise RuntimeError("decoded again")

    monkeypatch.setattr("iciclegcn.data.files.decode_image", refuse)
    second = load(config, tmp_path / "cache")
    np.testing.assert_array_equal(second.images, first.images)
    np.testing.assert_array_equal(second.kept, first.kept)
    assert second.paths == first.paths
    assert second.data_hash == first.data_hash


@pytest.mark.parametrize("change", ["touch", "add", "size", "channels"])
def test_a_change_builds_a_new_cache(
    config: DataConfig, tmp_path: Path, save_image: SaveImage, change: str
) -> None:
    before = load(config, tmp_path / "cache")
    first = tmp_path / "photos" / "0.png"
    if change == "touch":
        save_image(first, 255, side=8)
    elif change == "add":
        save_image(tmp_path / "photos" / "9.png", 255)
    size, channels = (5 if change == "size" else 4), (3 if change == "channels" else 1)
    after = load(DataConfig(config.source, cache_size=size, channels=channels), tmp_path / "cache")
    assert after.data_hash != before.data_hash
    assert after.images.shape == (7 if change == "add" else 6, channels, size, size)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_zip_and_folder_have_the_same_pixels(config: DataConfig, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in (tmp_path / "photos").iterdir():
            archive.write(path, path.name)
    zipped = DataConfig(str(tmp_path / "photos.zip"), cache_size=4, channels=1)
    assert load(zipped, tmp_path / "a").data_hash == load(config, tmp_path / "b").data_hash


def test_data_hash_covers_pixels_and_paths(tmp_path: Path, save_image: SaveImage) -> None:
    hashes = []
    for number, (name, grey) in enumerate([("a.png", 1), ("b.png", 1), ("a.png", 2)]):
        save_image(tmp_path / str(number) / name, grey)
        hashes.append(load(DataConfig(str(tmp_path / str(number)), cache_size=4), tmp_path / "c"))
    assert len({cached.data_hash for cached in hashes}) == 3


def test_strict_names_the_first_and_counts_on_every_load(
    config: DataConfig, tmp_path: Path
) -> None:
    strict = DataConfig(config.source, cache_size=4, channels=1, strict=True)
    for _ in range(2):
        with pytest.raises(UserError, match=r"2 of the 8 .*'2b.png' .the file is empty.*--strict"):
            load(strict, tmp_path / "cache")
    assert len(load(config, tmp_path / "cache").paths) == 6


def test_nothing_readable_is_refused_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"none of the 1 images .*'x.png' .the file is empty"):
        load(DataConfig(str(tmp_path / "photos")), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_small_sets_in_memory_are_cached_too(tmp_path: Path) -> None:
    cached = load(DataConfig("digits"), tmp_path)
    assert cached.images.shape == (1797, 1, 8, 8)
    assert cached.kept.tolist() == list(range(1797))
    assert cached.skipped == []


def test_default_shape_is_the_native_one_or_224(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "x.png")
    photos, digits = open_source(DataConfig(str(tmp_path))), open_source(DataConfig("digits"))
    assert cache_shape(digits, DataConfig("digits", image_size=16)) == (8, 1)
    assert cache_shape(photos, DataConfig("x")) == (224, 3)
    assert cache_shape(photos, DataConfig("x", image_size=96)) == (96, 3)
    assert cache_shape(digits, DataConfig("x", cache_size=12, channels=3)) == (12, 3)


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    monkeypatch.setenv("ICICLEGCN_CACHE", "~/mine")
    assert default_cache_dir() == Path("/home/me/mine")
    monkeypatch.delenv("ICICLEGCN_CACHE")
    assert default_cache_dir() == Path("/shared/iciclegcn")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path("/home/me/.cache/iciclegcn")


@pytest.mark.parametrize("damage", ["shorter pixels", "no meta", "broken meta", "foreign meta"])
def test_damaged_cache_is_built_again(config: DataConfig, tmp_path: Path, damage: str) -> None:
    expected = load(config, tmp_path / "cache").data_hash
    (folder,) = (tmp_path / "cache").iterdir()
    if damage == "shorter pixels":
        os.truncate(folder / "images.npy", 150)
    elif damage == "no meta":
        (folder / "meta.json").unlink()
    else:
        (folder / "meta.json").write_text("{" if damage == "broken meta" else '{"shape": 3}')
    cached = load(config, tmp_path / "cache")
    assert cached.data_hash == expected
    assert cached.images[5, 0, 2, 2] == 200
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_interrupted_build_leaves_nothing(
    config: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting(NullMonitor):
        def progress(self, *_: object, **__: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_or_build_cache(
            open_source(config), config, cache_dir=tmp_path / "cache", monitor=Interrupting()
        )
    assert list((tmp_path / "cache").iterdir()) == []


SLOW_BUILD = """
import sys, time
from pathlib import Path
from iciclegcn.config import DataConfig
from iciclegcn.data import files
from iciclegcn.data.cache import load_or_build_cache
from iciclegcn.data.sources import open_source
from iciclegcn.monitor import NullMonitor

decode = files.decode_image
files.decode_image = lambda *args: (time.sleep(60 if args[0][-1:] == b"!" else 0), decode(*args))[1]
config = DataConfig(sys.argv[1], cache_size=4, channels=1)
load_or_build_cache(
    open_source(config), config, cache_dir=Path(sys.argv[2]), monitor=NullMonitor()
)
"""


def test_killed_build_leaves_no_cache_and_is_cleaned_up(
    tmp_path: Path, save_image: SaveImage
) -> None:
    for number in range(40):
        save_image(tmp_path / "photos" / f"{number:02}.png", number)
    last = tmp_path / "photos" / "39.png"
    last.write_bytes(last.read_bytes() + b"!")  # where the build will hang
    cache = tmp_path / "cache"
    arguments = [sys.executable, "-c", SLOW_BUILD, str(tmp_path / "photos"), str(cache)]
    with subprocess.Popen(arguments) as process:
        deadline = time.monotonic() + 30
        while not list(cache.glob(".building-*/images.npy")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    (left,) = cache.iterdir()
    assert left.name.startswith(".building-")
    cached = load(DataConfig(str(tmp_path / "photos"), cache_size=4, channels=1), cache)
    assert cached.images[:, 0, 0, 0].tolist() == list(range(40))
    (folder,) = cache.iterdir()
    assert not folder.name.startswith(".")


def test_builds_of_running_processes_are_left_alone(config: DataConfig, tmp_path: Path) -> None:
    running = tmp_path / "cache" / f".building-{platform.node()}-{os.getppid()}-x"
    elsewhere = tmp_path / "cache" / ".building-another-machine-999999999-x"
    for folder in (running, elsewhere):
        folder.mkdir(parents=True)
    load(config, tmp_path / "cache")
    assert running.is_dir()
    assert elsewhere.is_dir()


def test_another_process_that_was_first_wins(
    config: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load(config, tmp_path / "first")
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        if not target.exists():
            rename(tmp_path / "first" / target.name, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    cached = load(config, tmp_path / "cache")
    assert cached.data_hash == expected.data_hash
    assert [folder.name[0] != "." for folder in (tmp_path / "cache").iterdir()] == [True]


def test_cache_folder_that_cannot_be_is_refused(config: DataConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written .*ICICLEGCN_CACHE"):
        load(config, tmp_path / "file" / "cache")


def test_full_disk_is_refused_before_decoding(
    config: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 8 * 16 - 1

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(UserError, match="not free"):
        load(config, tmp_path / "cache")


def test_kept_images_are_read_only(config: DataConfig, tmp_path: Path) -> None:
    cached = load(config, tmp_path / "cache")
    with pytest.raises(ValueError, match="read-only"):
        cached.images[0] = 0


def test_size_is_the_images_short_side(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (16, 8), (1, 2, 3)).save(tmp_path / "photos" / "x.png")
    cached = load(DataConfig(str(tmp_path / "photos"), cache_size=8), tmp_path / "cache")
    assert cached.images[0, :, 4, 4].tolist() == [1, 2, 3]
