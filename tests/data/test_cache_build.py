import hashlib
import json
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.data import cache_build
from iciclegcn.data.base import ImageSource
from iciclegcn.data.cache_build import build, read_meta
from iciclegcn.data.decode import Pixels, UnreadableImageError
from iciclegcn.monitor import NullMonitor


class Counting(ImageSource):
    """Image i is full of i; every seventh is unreadable."""

    name = "counting"

    def __init__(self, count: int) -> None:
        self.count = count
        self.threads: set[int] = set()

    @property
    def paths(self) -> Sequence[str]:
        return [f"{index}.png" for index in range(self.count)]

    def fingerprint(self) -> str:
        return str(self.count)

    def read(self, index: int, size: int, channels: int) -> Pixels:
        self.threads.add(threading.get_ident())
        if index % 7 == 6:
            raise UnreadableImageError("seven")
        return np.full((channels, size, size), index % 256, np.uint8)


class Recording(NullMonitor):
    def __init__(self) -> None:
        self.seen: list[tuple[int, int, str]] = []

    def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
        self.seen.append((done, total, unit))


@pytest.mark.parametrize("count", [1, 4, 20, 21, 1000])
@pytest.mark.parametrize("threads_from", [0.0, 1e9])
def test_every_image_is_written_once_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, threads_from: float
) -> None:
    monkeypatch.setattr(cache_build, "_THREADS_FROM_SECONDS", threads_from)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    meta = build(Counting(count), 5, 3, tmp_path, NullMonitor())
    kept = [index for index in range(count) if index % 7 != 6]
    images = np.load(tmp_path / "images.npy")
    assert images.shape == meta.shape == (len(kept), 3, 5, 5)
    np.testing.assert_array_equal(images[:, 2, 4, 4], np.array(kept) % 256)
    assert meta.paths == [f"{index}.png" for index in kept]
    assert meta.skipped == [(i, f"{i}.png", "seven") for i in range(6, count, 7)]
    assert read_meta(tmp_path) == meta


def test_data_hash_is_that_of_the_pixels_and_paths(tmp_path: Path) -> None:
    meta = build(Counting(30), 4, 1, tmp_path, NullMonitor())
    digest = hashlib.sha256(np.load(tmp_path / "images.npy").tobytes())
    digest.update(json.dumps([meta.shape, meta.paths]).encode())
    assert meta.data_hash == digest.hexdigest()


def test_threads_serve_slow_images_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = Counting(400)
    build(fast, 4, 1, tmp_path, NullMonitor())
    assert len(fast.threads - {threading.get_ident()}) == 1
    monkeypatch.setattr(cache_build, "_THREADS_FROM_SECONDS", 0.0)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    slow = Counting(4000)
    build(slow, 16, 1, tmp_path, NullMonitor())
    assert len(slow.threads - {threading.get_ident()}) > 1


def test_progress_counts_every_image_to_the_end(tmp_path: Path) -> None:
    monitor = Recording()
    build(Counting(300), 4, 1, tmp_path, monitor)
    done = [row[0] for row in monitor.seen]
    assert done == sorted(done)
    assert monitor.seen[-1] == (300, 300, "image")
    assert {row[1:] for row in monitor.seen} == {(300, "image")}


def test_large_images_are_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    read = cache_build._read_chunk

    def spy(source: ImageSource, size: int, channels: int, start: int, stop: int) -> object:
        sizes.append((stop - start) * channels * size * size)
        return read(source, size, channels, start, stop)

    monkeypatch.setattr(cache_build, "_CHUNK_BYTES", 1000)
    monkeypatch.setattr(cache_build, "_WARM_UP", 1)
    monkeypatch.setattr(cache_build, "_PROBE", 1)
    monkeypatch.setattr(cache_build, "_read_chunk", spy)
    build(Counting(50), 16, 3, tmp_path, NullMonitor())
    assert max(sizes) == 768  # one image of 768 bytes at a time


def test_warning_filters_are_restored(tmp_path: Path) -> None:
    class Failing(Counting):
        def read(self, index: int, size: int, channels: int) -> Pixels:
            raise RuntimeError("a defect, not an image")

    before = list(warnings.filters)
    with pytest.raises(RuntimeError, match="a defect"):
        build(Failing(10), 4, 1, tmp_path, NullMonitor())
    assert warnings.filters == before


def test_all_unreadable_gives_an_empty_array(tmp_path: Path) -> None:
    class Unreadable(Counting):
        def read(self, index: int, size: int, channels: int) -> Pixels:
            raise UnreadableImageError("never")

    meta = build(Unreadable(30), 4, 1, tmp_path, NullMonitor())
    assert meta.shape == (0, 1, 4, 4)
    assert len(meta.skipped) == 30
