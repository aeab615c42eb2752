"""How do time and memory of the graph stage grow from 10,000 to 1,000,000 nodes?

Features of 512 dimensions with 20 planted clusters of uneven size lie on the disk; every size goes
from there to assignments: neighbours (`graphs.knn`), graphs of k = 1 and 10, cells, first
partition, code warm-up, ``--epochs`` epochs of M-GCN (widths 256-256-512 of the quick preset, from
a random auto-encoder: there are no images here), and the exact pass over all edges.

Command: python -m benchmarks.scaling --work DIR [--sizes 10000,...] [--killed 100000]
Memory: highest resident size of the whole process, a process a stage and size, mapped pages
counted. Time per epoch: from the first step of one epoch to the first of the next, so with its
pass over all nodes. --work keeps every finished stage: a benchmark that was stopped goes on.
--killed: the size at which the training is killed half-way, goes on, and must give the same bits.
Claim: a million nodes in less than 8 GB, and time per epoch linear in the number of nodes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, write_result
from benchmarks.scaling_stages import CHANNELS, K_LIST

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
STAGES = ("features", "neighbors", "cluster")


SAVE_SECONDS = 10.0  # between two states of the training, as `iciclegcn` does


def start(
    stage: str, folder: Path, num_nodes: int, partition: str, epochs: int, save: float
) -> subprocess.Popen[bytes]:
    """The process of one stage, which saves its state every ``save`` seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore::FutureWarning", "-m", "benchmarks.scaling_stages"]
    command += [stage, str(folder), str(num_nodes), partition, str(epochs), str(save)]
    return subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1])


def finished(
    stage: str, folder: Path, num_nodes: int, partition: str, epochs: int
) -> dict[str, Any]:
    """The figures of a stage, which is done first where they are not there yet."""
    file = folder / f"{stage}.json"
    if not file.exists():
        process = start(stage, folder, num_nodes, partition, epochs, SAVE_SECONDS)
        if process.wait():
            sys.exit(f"{stage} of {num_nodes:,} nodes failed")
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return figures


def killed(folder: Path, num_nodes: int, partition: str, epochs: int, rows: int) -> dict[str, Any]:
    """As `finished` for ``cluster``, killed once when half of its steps are done."""
    history = folder / "history.jsonl"
    if not (folder / "cluster.json").exists():
        process = start("cluster", folder, num_nodes, partition, epochs, 1.0)
        while process.poll() is None and not (
            (folder / "state.pt").exists() and _lines(history) >= rows // 2
        ):
            time.sleep(0.05)
        was_running = process.poll() is None
        if was_running:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if not was_running:
            sys.exit(f"{num_nodes:,} nodes were done before there was a state: choose more")
    return finished("cluster", folder, num_nodes, partition, epochs)


def fit(rows: dict[int, dict[str, Any]]) -> dict[str, float]:
    """Line through seconds per epoch against nodes, its R squared, and the exponent of a power."""
    sizes = np.array(list(rows), float)
    seconds = np.array([np.mean(row["cluster"]["epoch_seconds"]) for row in rows.values()])
    slope, offset = np.polyfit(sizes, seconds, 1, w=1 / seconds)
    residual = 1 - np.var(seconds - slope * sizes - offset) / np.var(seconds)
    exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    return {
        "seconds_per_million_nodes": 1e6 * float(slope),
        "offset_seconds": float(offset),
        "r_squared": float(residual),
        "exponent": float(exponent),
    }


def plot(rows: dict[int, dict[str, Any]], line: dict[str, float], path: Path) -> None:
    """Seconds per epoch with the line, and peak memory, against the number of nodes."""
    import matplotlib

    matplotlib.use("Agg")  # draws into a file, also where there is no screen
    import matplotlib.pyplot as plt

    sizes = np.array(list(rows), float)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.loglog(sizes, [np.mean(row["cluster"]["epoch_seconds"]) for row in rows.values()], "o")
    fitted = line["seconds_per_million_nodes"] * sizes / 1e6 + line["offset_seconds"]
    left.loglog(sizes, fitted, "-", label=f"line, R² = {line['r_squared']:.4f}")
    left.set_ylabel("seconds per epoch")
    for stage in STAGES[1:]:
        right.semilogx(sizes, [row[stage]["peak_gb"] for row in rows.values()], "o-", label=stage)
    right.axhline(8, color="grey", linestyle="--", label="8 GB")
    right.set_ylabel("peak memory of the process in GB")
    right.set_ylim(bottom=0)
    for panel in (left, right):
        panel.set_xlabel("nodes")
        panel.grid(alpha=0.3)
        panel.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure what is missing, size by size; write the result after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="about 12 GB for a million nodes")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--partition", choices=("metis", "cells"), default="metis")
    parser.add_argument("--killed", type=int, default=100_000, help="0: kill nothing")
    parser.add_argument("--out", type=Path, default=RESULTS / "scaling.json")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    how = (options.partition, options.epochs)
    rows: dict[int, dict[str, Any]] = {}
    for size in sizes:
        folder = options.work.resolve() / str(size)
        rows[size] = {stage: finished(stage, folder, size, *how) for stage in STAGES[:2]}
        rows[size]["cluster"] = whole = finished("cluster", folder / options.partition, size, *how)
        if size == options.killed:
            steps = options.epochs * whole["steps_per_epoch"]
            again = killed(folder / f"{options.partition}-killed", size, *how, steps)
            rows[size]["same_bits_after_kill"] = again["digest"] == whole["digest"]
        line = fit(rows) if len(rows) > 1 else {}
        payload = {"question": __doc__.splitlines()[0], "channels": CHANNELS, "k": K_LIST}
        write_result("scaling", {**payload, "line": line, "sizes": rows}, options.out)
        print(f"{size:>9,}: {_line(rows[size])}", flush=True)
    if len(rows) > 1:
        plot(rows, line, options.out.with_suffix(".png"))
        print(line)


def _line(row: dict[str, Any]) -> str:
    found = row["cluster"]
    seconds = " + ".join(f"{row[stage]['seconds']:.0f}" for stage in STAGES)
    peak = max(row[stage]["peak_gb"] for stage in STAGES)
    epoch = np.mean(found["epoch_seconds"])
    return (
        f"{seconds} s (features + neighbours + stage 2), {epoch:.2f} s an epoch, "
        f"peak {peak:.2f} GB, ACC {found['acc']:.3f}, NMI {found['nmi']:.3f}"
    )


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


if __name__ == "__main__":
    main()
