"""The loss terms of a run by step, exact across interruptions."""

import json
import os
import time
from io import BufferedRandom
from pathlib import Path

_FLUSH_INTERVAL = 1.0  # seconds: what somebody watching the file waits at most


class History:
    """Appends rows to ``history.jsonl``.

    A checkpoint remembers the file's length; continuing from it cuts the file back to that length,
    so that the rows of an interrupted and continued run are those of an uninterrupted one.

    Args:
        file: The file; made when absent.
        length: Bytes to keep; what lies behind belongs to steps that will be done again.
    """

    def __init__(self, file: Path, length: int) -> None:
        self._stream: BufferedRandom = file.open("a+b")
        # A file shorter than remembered was meddled with: keep what there is.
        self._stream.truncate(min(length, file.stat().st_size))
        self._flushed_at = time.monotonic()

    def append(self, stage: str, step: int, values: dict[str, float]) -> None:
        """Add one row."""
        row = {"stage": stage, "step": step, **values}
        self._stream.write(json.dumps(row).encode() + b"\n")
        if time.monotonic() - self._flushed_at > _FLUSH_INTERVAL:
            self._stream.flush()
            self._flushed_at = time.monotonic()

    def sync(self) -> int:
        """Put every row on the disk and return the file's length in bytes."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return os.fstat(self._stream.fileno()).st_size

    def close(self) -> None:
        """Write what is pending and close the file."""
        self._stream.close()
