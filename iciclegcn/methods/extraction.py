"""Features of images through a network that nothing trains: in batches, and resumable."""

import contextlib
import dataclasses
import math
import os
import time
from pathlib import Path

import numpy as np

from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.methods.embedding import embed, embed_into
from iciclegcn.monitor import NullMonitor, StageMonitor
from iciclegcn.nn.disk_space import reserve
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.runtime import Runtime

SAVE_INTERVAL = 5.0  # seconds
_BATCH_SIZE = 64  # at 224 pixels and 512 images some networks' activations take gigabytes
_PROBES = 64
_AGREEING = 0.05  # of the features' spread


def agrees(
    network: PretrainedNetwork, images: np.ndarray, config: Config, runtime: Runtime
) -> bool:
    """Whether the runtime's precision gives the features that float32 gives.

    Args:
        network: Gives the rows.
        images: uint8 [N, C, S, S], of which some are tried.
        config: The run's configuration.
        runtime: Its precision is held against fp32.

    Returns:
        Whether the features differ by less than a twentieth of their spread, both as root mean
        squares: neighbours are further apart than that.
    """
    if runtime.precision == "fp32" or network.full_precision:
        return True
    rows = np.unique(np.linspace(0, len(images) - 1, _PROBES).astype(np.int64))
    alone = dataclasses.replace(runtime, ranks=dataclasses.replace(runtime.ranks, rank=0, size=1))
    exact = dataclasses.replace(alone, precision="fp32")
    reduced, full = (
        embed(images[rows], network, config, chosen, NullMonitor(), _BATCH_SIZE)
        for chosen in (alone, exact)
    )
    spread = float(np.square(full - full.mean(axis=0)).mean())
    error = float(np.square(reduced - full).mean())
    return bool(error < _AGREEING**2 * spread)


def extract(
    images: np.ndarray,
    network: PretrainedNetwork,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
    file: Path | None = None,
    first: int = 0,
) -> None:
    """Write the features of all images to a file; every rank calls this.

    Args:
        images: uint8 [N, C, S, S].
        network: Gives the rows.
        config: The run's configuration.
        runtime: Device, precision and ranks.
        monitor: Told of the progress, and keeps how many rows are on the disk.
        file: The ``.npy`` file, float32 [N, D]; None: rank 0 has it.
        first: Rows that it has already, as `rows_there` tells.

    Raises:
        UserError: If the disk has no room for the file.
    """
    features = np.empty((0, network.num_features), np.float32)
    origin = network.fingerprint()
    if file is not None:
        if first == 0:
            # Before the file is emptied: an older state would let zeros pass for rows.
            monitor.save({"rows": 0, "network": origin})
        features = _opened(file, (len(images), network.num_features), new=first == 0)
    saved_at = time.monotonic()
    for done in embed_into(
        features, images, network, config, runtime, batch_size=_BATCH_SIZE, first=first
    ):
        if file is None:
            continue
        monitor.progress(done, len(images), unit="image")
        if time.monotonic() - saved_at > SAVE_INTERVAL:
            _flush(features, file)
            monitor.save({"rows": done, "network": origin})
            saved_at = time.monotonic()
    if file is not None:
        _flush(features, file)


def rows_there(
    network: PretrainedNetwork, num_images: int, monitor: StageMonitor, file: Path
) -> int:
    """How many rows an interrupted process has put on the disk, with the same weights.

    Args:
        network: Gives the rows.
        num_images: N.
        monitor: Knows their number.
        file: Where they are.
    """
    state = monitor.load()
    if state is None or state["network"] != network.fingerprint() or not file.is_file():
        return 0
    try:
        there = np.load(file, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError):
        return 0
    return int(state["rows"]) if there == (num_images, network.num_features) else 0


def _opened(file: Path, shape: tuple[int, int], *, new: bool) -> np.ndarray:
    """The file, mapped, with its room on the disk; what an interrupted process wrote stays."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if new:
            rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
        else:
            rows = np.lib.format.open_memmap(file, mode="r+")
        with file.open("r+b") as stream:
            reserve(stream.fileno(), file.stat().st_size)
    except OSError as error:
        if new:
            with contextlib.suppress(OSError):
                file.unlink()  # of a part of it the disk would stay full
        raise _unwritable(file, shape, error) from error
    return rows


def _flush(features: np.ndarray, file: Path) -> None:
    """Put the rows on the disk: a state must not tell of rows that a crash takes away."""
    try:
        if isinstance(features, np.memmap):
            features.flush()
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unwritable(file, features.shape, error) from error


def _unwritable(file: Path, shape: tuple[int, ...], error: OSError) -> UserError:
    size = 4 * math.prod(shape) / 2**30
    return UserError(
        f"cannot write {size:.2f} GiB of features to '{file}' ({error.strerror or error}); make "
        f"room in '{file.parent}', or give another --out"
    )
