"""How much memory a piece of work takes at its highest, above what was there before (Linux)."""

import ctypes
import gc
from pathlib import Path
from types import TracebackType


class PeakMemory:
    """Measures the ``with`` block's highest resident size above that before it.

    Attributes:
        mib: The peak in MiB, once the block has ended.
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._before = 0

    def __enter__(self) -> "PeakMemory":
        # Freed pieces that the allocator holds on to would be used again and not count. Not the
        # package's function for it: that loads torch, and processes without it are measured too.
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        # Not getrusage: its peak cannot be reset. Writing 5 sets this one back to what is resident.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._before = status_kib("VmRSS")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.mib = max(0, status_kib("VmHWM") - self._before) / 1024


def status_kib(name: str) -> int:
    """A figure of this process in KiB, such as ``VmHWM``, its highest resident size."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{name}:")[1].split()[0])
