"""Programs in processes of their own: their seconds, and their memory at its highest (Linux).

``python -m benchmarks.measured_process FILE MODULE [WORDS]`` is what `measured` starts: it runs
MODULE as ``python -m`` does and writes the KiB to FILE. A parent cannot ask for them: what wait4
tells of a child counts the parent's own memory, which the child shared before it began.
"""

import runpy
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.memory import status_kib


class Measured(NamedTuple):
    """A process that has ended.

    Attributes:
        seconds: From its start to its end.
        peak_mib: Its highest resident size, imports included.
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
    memory = log.with_name(log.name + ".kib")
    command = [sys.executable, "-m", "benchmarks.measured_process", str(memory), module]
    started = time.perf_counter()
    with log.open("wb") as stream:
        # An interruption kills it: it goes on from its last checkpoint when it is started again.
        done = subprocess.run([*command, *arguments], stdout=stream, stderr=subprocess.STDOUT)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise ProcessError(_reason(log, done.returncode))
    peak = int(memory.read_text(encoding="ascii")) / 1024
    memory.unlink()
    return Measured(round(seconds, 2), round(peak, 1))


def _reason(log: Path, code: int) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it printed nothing"
    return f"{last} (killed by signal {-code})" if code < 0 else last


def main() -> None:
    memory, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(memory).write_text(str(status_kib("VmHWM")), encoding="ascii")


if __name__ == "__main__":
    main()
