"""Decode a source in parallel and stream the pixels to a cache folder."""

import contextlib
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from iciclegcn.data.base import ImageSource
from iciclegcn.data.decode import Pixels, UnreadableImageError, pillow_warnings
from iciclegcn.monitor import StageMonitor

IMAGES_FILE = "images.npy"
META_FILE = "meta.json"

_HEADER_BYTES = 128
_CHUNK_BYTES = 2**24
# Images decoded before the clock starts (imports, lazy loading), and those it times.
_WARM_UP = 4
_PROBE = 16
# Two threads against one, JPEG to 32-224 px: 227 against 151 us an image at 32 px, 263 against 271
# at 96, 497 against 898 at 256.
_THREADS_FROM_SECONDS = 3e-4


class CacheMeta(NamedTuple):
    """What a cache folder says of its pixels.

    Attributes:
        shape: [N, C, S, S] of the pixels.
        total: Images in the source's listing.
        paths: The N kept images' paths.
        skipped: (position in the listing, path, reason) of the others.
        data_hash: SHA-256 over the pixels and the paths.
    """

    shape: tuple[int, int, int, int]
    total: int
    paths: list[str]
    skipped: list[tuple[int, str, str]]
    data_hash: str


class DecodedChunk(NamedTuple):
    """Some images in the listing's order.

    Attributes:
        pixels: Those that are readable, uint8 [M, C, S, S].
        kept: Their positions in the listing [M].
        skipped: (position in the listing, reason) of the others.
    """

    pixels: Pixels
    kept: list[int]
    skipped: list[tuple[int, str]]


def build(
    source: ImageSource, size: int, channels: int, folder: Path, monitor: StageMonitor
) -> CacheMeta:
    """Write ``images.npy`` and ``meta.json`` into an existing folder.

    Memory holds a few chunks of images, however many there are.

    Args:
        source: The images.
        size: Side S in pixels.
        channels: C, 1 or 3.
        folder: Where to write.
        monitor: Told of the progress.

    Returns:
        What was written; with no readable image its shape starts with 0.
    """
    paths: list[str] = []
    skipped: list[tuple[int, str, str]] = []
    digest = hashlib.sha256()
    listing = source.paths
    with (folder / IMAGES_FILE).open("wb") as file:
        # The header is written last: until then the file is no array.
        file.write(bytes(_HEADER_BYTES))
        # Closed here, not when collected: it holds a pool.
        with (
            pillow_warnings(),
            contextlib.closing(decoded_chunks(source, size, channels)) as chunks,
        ):
            for chunk in chunks:
                file.write(chunk.pixels.data)
                digest.update(chunk.pixels.data)
                paths += [listing[index] for index in chunk.kept]
                skipped += [(index, listing[index], reason) for index, reason in chunk.skipped]
                monitor.progress(len(paths) + len(skipped), len(listing), unit="image")
        shape = (len(paths), channels, size, size)
        _write_header(file, shape)
    digest.update(json.dumps([shape, paths]).encode())
    meta = CacheMeta(shape, len(listing), paths, skipped, digest.hexdigest())
    (folder / META_FILE).write_text(json.dumps(meta._asdict()), encoding="utf-8")
    return meta


def read_meta(folder: Path) -> CacheMeta | None:
    """What `build` wrote, or None where it is absent, damaged or does not fit the pixels' file."""
    try:
        meta = CacheMeta(**json.loads((folder / META_FILE).read_text(encoding="utf-8")))
        expected = _HEADER_BYTES + int(np.prod(meta.shape, dtype=np.int64))
        if (folder / IMAGES_FILE).stat().st_size != expected:
            return None
    except (OSError, ValueError, TypeError):
        return None
    skipped = [(index, path, reason) for index, path, reason in meta.skipped]
    count, channels, height, width = meta.shape
    return meta._replace(shape=(count, channels, height, width), skipped=skipped)


def decoded_chunks(source: ImageSource, size: int, channels: int) -> Generator[DecodedChunk]:
    """Decoded chunks in the listing's order, a bounded number of them ahead.

    To be entered within `iciclegcn.data.decode.pillow_warnings`, and closed: it holds a pool.

    Args:
        source: The images.
        size: Side S in pixels.
        channels: C, 1 or 3.
    """
    total = len(source)
    read = partial(_read_chunk, source, size, channels)
    yield read(0, min(_WARM_UP, total))
    start = min(_WARM_UP, total)
    begin = time.perf_counter()
    probe = read(start, min(start + _PROBE, total))
    seconds = (time.perf_counter() - begin) / _PROBE
    yield probe
    # Threads: Pillow decodes without the interpreter's lock, and processes would cost a start
    # (spawning) or copy somebody's running threads (forking). But on tiny images most of the time
    # is Pillow's own Python, and threads that fight for the lock are slower than one.
    slow = seconds > _THREADS_FROM_SECONDS
    workers, step = (os.cpu_count() or 1, 8) if slow else (1, 128)
    step = max(1, min(step, _CHUNK_BYTES // (channels * size * size)))
    pending: deque[Future[DecodedChunk]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for begin_at in range(start + _PROBE, total, step):
                pending.append(pool.submit(read, begin_at, min(begin_at + step, total)))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _read_chunk(
    source: ImageSource, size: int, channels: int, start: int, stop: int
) -> DecodedChunk:
    pixels = np.empty((stop - start, channels, size, size), np.uint8)
    kept: list[int] = []
    skipped: list[tuple[int, str]] = []
    for index in range(start, stop):
        try:
            pixels[len(kept)] = source.read(index, size, channels)
        except UnreadableImageError as error:
            skipped.append((index, str(error)))
        else:
            kept.append(index)
    return DecodedChunk(pixels[: len(kept)], kept, skipped)


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    # Version 1.0 of the .npy format, padded to a fixed length: N is known only at the end.
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    start = np.lib.format.magic(1, 0) + (_HEADER_BYTES - 10).to_bytes(2, "little")
    file.seek(0)
    file.write(start + text.ljust(_HEADER_BYTES - 11).encode("ascii") + b"\n")
