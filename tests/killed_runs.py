"""Runs a tiny run in child processes that are killed; started by test_resume in its own process.

The libraries are loaded once, before the first fork, so that a child's life is all training.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import iciclegcn.methods.icicle
import iciclegcn.methods.pretraining
import iciclegcn.run_history
import iciclegcn.stages
from iciclegcn.config import Config
from iciclegcn.pipeline import run
from tests.tiny_run import tiny_config, write_images

KILLS = 5


def main(folder: Path, seed: int) -> None:
    """Write ``folder/whole`` (uninterrupted) and ``folder/killed``; print what happened."""
    for module in (iciclegcn.methods.icicle, iciclegcn.methods.pretraining):
        module.SAVE_INTERVAL = 0.0  # type: ignore[attr-defined]
    iciclegcn.run_history._FLUSH_INTERVAL = 0.0
    config = tiny_config(
        write_images(folder / "images.npy", 200),
        pretrain__epochs=8,
        pretrain__batch_size=50,
        mgcn__iterations=30,
    )
    assert_exit(start(config, folder / "whole"), 0)
    rows = history(folder / "whole")
    total = rows.count(b"\n")
    draws = random.Random(seed)
    moments = [int(total * (part + draws.random()) / KILLS) for part in range(KILLS)]
    killed = [kill_at(config, folder / "killed", rows, draws.random() / 100) for rows in moments]
    assert_exit(start(config, folder / "killed"), 0)
    print(json.dumps({"moments": moments, "rows": total, "killed": killed}))


def start(config: Config, out: Path) -> int:
    """Run in a child process; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        run(config, out)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def kill_at(config: Config, out: Path, rows: int, delay: float) -> bool:
    """Kill a child shortly after its history has so many rows; whether it was still running."""
    child = start(config, out)
    while history(out).count(b"\n") < rows:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return False
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def history(out: Path) -> bytes:
    """The run's history so far."""
    file = out / "history.jsonl"
    return file.read_bytes() if file.exists() else b""


def assert_exit(child: int, code: int) -> None:
    """Wait for a child and check its exit code."""
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != code:
        sys.exit(f"a run ended with {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
