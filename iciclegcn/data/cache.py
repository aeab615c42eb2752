"""Decoded images, made once and then memory-mapped."""

import hashlib
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iciclegcn.config import DataConfig
from iciclegcn.data.base import ImageSource
from iciclegcn.data.cache_build import IMAGES_FILE, CacheMeta, build, read_meta
from iciclegcn.data.decode import DECODE_VERSION, Pixels
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError
from iciclegcn.monitor import StageMonitor

_PHOTOGRAPH_SIZE = 224
_BUILDING = ".building-"


@dataclass(frozen=True)
class CachedImages:
    """Decoded images, row by row in index order.

    Attributes:
        images: uint8 [N, C, S, S], memory-mapped and read-only.
        paths: What names each row.
        kept: Each row's position in the source's listing, int64 [N].
        skipped: (path, reason) of the unreadable images.
        data_hash: SHA-256 over the pixels and the paths.
    """

    images: Pixels
    paths: list[str]
    kept: npt.NDArray[np.int64]
    skipped: list[tuple[str, str]]
    data_hash: str


def load_or_build_cache(
    source: ImageSource,
    config: DataConfig,
    *,
    cache_dir: Path | None = None,
    monitor: StageMonitor,
) -> CachedImages:
    """The source's images at the configured size, decoded now or on an earlier call.

    A cache is found again by its source's listing (paths, sizes, times), the size and the
    channels. It is built in a folder of its own and renamed when whole.

    Args:
        source: The images.
        config: ``cache_size``, ``channels`` and ``strict`` are used; None is the native size, or
            for image files ``image_size`` or 224.
        cache_dir: Where caches are; None: `default_cache_dir`.
        monitor: Told of the progress of decoding.

    Raises:
        UserError: If no image is readable, or one is not and ``config.strict``; if the cache
            folder cannot be written.
    """
    size, channels = cache_shape(source, config)
    root = default_cache_dir() if cache_dir is None else cache_dir
    key = f"{source.fingerprint()}/{size}/{channels}/{DECODE_VERSION}"
    folder = root / hashlib.sha256(key.encode()).hexdigest()[:32]
    meta = read_meta(folder)
    if meta is None:
        try:
            meta = _build_atomically(source, size, channels, folder, monitor)
            source.release()
        except OSError as error:
            raise UserError(
                f"the image cache cannot be written to '{root}' ({error.strerror or error}); set "
                "ICICLEGCN_CACHE to a folder that can"
            ) from error
    _refuse_skipped(source, config, meta)
    skipped_at = [index for index, _, _ in meta.skipped]
    return CachedImages(
        images=np.load(folder / IMAGES_FILE, mmap_mode="r"),
        paths=meta.paths,
        kept=np.delete(np.arange(meta.total, dtype=np.int64), skipped_at),
        skipped=[(path, reason) for _, path, reason in meta.skipped],
        data_hash=meta.data_hash,
    )


def cache_shape(source: ImageSource, config: DataConfig) -> tuple[int, int]:
    """The side in pixels and the channels at which a source is kept."""
    native = source.native_size or config.image_size or _PHOTOGRAPH_SIZE
    return config.cache_size or native, config.channels or source.native_channels


def default_cache_dir() -> Path:
    """$ICICLEGCN_CACHE, else ``iciclegcn`` in $XDG_CACHE_HOME, else in ``~/.cache``."""
    own = os.environ.get("ICICLEGCN_CACHE")
    if own:
        return user_path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "iciclegcn"


def _build_atomically(
    source: ImageSource, size: int, channels: int, folder: Path, monitor: StageMonitor
) -> CacheMeta:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder.parent)
    # Only an estimate of what is free, but far better than a full disk after an hour.
    needed = len(source) * channels * size * size
    if needed > shutil.disk_usage(folder.parent).free:
        raise OSError(f"{needed / 2**30:.1f} GiB are needed and not free")
    prefix = f"{_BUILDING}{platform.node()}-{os.getpid()}-"
    building = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        meta = build(source, size, channels, building, monitor)
        if meta.paths:
            _publish(building, folder)
        return meta
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _publish(building: Path, folder: Path) -> None:
    if folder.exists() and read_meta(folder) is None:
        shutil.rmtree(folder)
    try:
        building.rename(folder)
    except OSError:
        # Another process was first; its cache is as good.
        if read_meta(folder) is None:
            raise


def _remove_abandoned(root: Path) -> None:
    """Remove what killed processes of this machine left behind."""
    prefix = f"{_BUILDING}{platform.node()}-"
    for folder in root.glob(f"{prefix}*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":  # asking there would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _refuse_skipped(source: ImageSource, config: DataConfig, meta: CacheMeta) -> None:
    if not meta.skipped:
        return
    _, path, reason = meta.skipped[0]
    if not meta.paths:
        raise UserError(
            f"none of the {meta.total} images of '{source.name}' is readable, the first is "
            f"'{path}' ({reason})"
        )
    if config.strict:
        raise UserError(
            f"{len(meta.skipped)} of the {meta.total} images of '{source.name}' are unreadable, "
            f"the first is '{path}' ({reason}); mend or remove them, or run without --strict"
        )
