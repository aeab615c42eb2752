"""Runs tiny runs in child processes that are killed; started by test_resume in its own process.

The libraries are loaded once, before the first fork, so that a child's life is all training.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import iciclegcn.methods.gcc
import iciclegcn.methods.icicle
import iciclegcn.methods.pretraining
import iciclegcn.methods.ruc
import iciclegcn.methods.self_label
import iciclegcn.run_folder.history
import iciclegcn.stages.classifier
import iciclegcn.stages.evaluate
import iciclegcn.stages.graph
import iciclegcn.stages.icicle
from iciclegcn.config import Config
from iciclegcn.pipeline import run
from tests.tiny_run import tiny_config, tiny_gcc, tiny_on_a_run, write_images

SAVING = (
    iciclegcn.methods.gcc,
    iciclegcn.methods.icicle,
    iciclegcn.methods.pretraining,
    iciclegcn.methods.ruc,
    iciclegcn.methods.self_label,
)


def main(folder: Path, seed: int, methods: list[str]) -> None:
    """Write ``folder/METHOD/whole`` (uninterrupted) and ``killed``; print what happened."""
    for module in SAVING:
        module.SAVE_INTERVAL = 0.0  # type: ignore[attr-defined]
    iciclegcn.run_folder.history._FLUSH_INTERVAL = 0.0
    images = write_images(folder / "images.npy", 200)
    reports = {}
    for method in methods:
        config = config_of(method, images, folder / "gcc" / "whole")
        kills = 5 if method == "icicle" else 2
        reports[method] = killed_and_whole(config, folder / method, kills, random.Random(seed))
    print(json.dumps(reports))


def config_of(method: str, images: Path, base: Path) -> Config:
    """Some seconds of a method; what begins with a run begins with ``base``."""
    if method == "icicle":
        changes = {"pretrain__epochs": 8, "pretrain__batch_size": 50, "mgcn__iterations": 30}
        return tiny_config(images, **changes)
    gcc = tiny_gcc(images, gcc__epochs=6)
    if method == "gcc":
        return gcc
    name = method.replace("-", "_")
    return tiny_on_a_run(gcc, method, str(base), **{f"{name}__epochs": 4})


def killed_and_whole(
    config: Config, folder: Path, kills: int, draws: random.Random
) -> dict[str, object]:
    """Run once as a whole, and once in so many pieces and a last one."""
    assert_exit(start(config, folder / "whole"), 0)
    total = history(folder / "whole").count(b"\n")
    moments = [int(total * (part + draws.random()) / kills) for part in range(kills)]
    killed = [kill_at(config, folder / "killed", rows, draws.random() / 100) for rows in moments]
    assert_exit(start(config, folder / "killed"), 0)
    return {"moments": moments, "rows": total, "killed": killed}


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
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
