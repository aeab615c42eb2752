"""Programs in processes of their own: their seconds, and their memory at its highest (POSIX)."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_KIB_PER_MAXRSS = 1024 if sys.platform == "darwin" else 1  # bytes there, KiB on Linux


class Measured(NamedTuple):
    """A process that has ended.

    Attributes:
        seconds: From its start to its end.
        peak_mib: Highest resident size of it or of any process it waited for, imports included.
    """

    seconds: float
    peak_mib: float


class ProcessError(RuntimeError):
    """A process ended with an error; the message is its last line."""


def measured(module: str, arguments: Sequence[str], log: Path) -> Measured:
    """Run ``python -m module arguments`` to its end.

    Args:
        module: Name of the module.
        arguments: Words after it.
        log: File that takes what it prints, anew.

    Raises:
        ProcessError: If it does not end with 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()  # it goes on from its last checkpoint when it is started again
            process.wait()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise ProcessError(_reason(log, process.returncode))
    peak = usage.ru_maxrss / _KIB_PER_MAXRSS / 1024
    return Measured(round(time.perf_counter() - started, 2), round(peak, 1))


def _reason(log: Path, code: int) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it printed nothing"
    return f"{last} (killed by signal {-code})" if code < 0 else last
