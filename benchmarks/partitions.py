"""Does training in cells of the graph cost accuracy, time or memory against full batch?

Stage 2 of one finished run (same features, neighbours, pretrained networks) is repeated for every
seed with all nodes in a step, with the cells of a coarse quantiser and, where pymetis is
installed, with METIS. The number of Adam's steps is the same; a step in cells sees
``--cells-per-step`` cells of about ``--cell-size`` nodes. Assignments use every edge on all sides.

Command: python -m benchmarks.partitions --run DIR [--seeds N] [--cell-size N] [--cells-per-step N]
Run: a folder that `iciclegcn run` made of data whose labels are known.
n: one training a side and seed, sides in turn, in one process; the time is that of the whole stage
2 from features and graphs to assignments. Memory is `benchmarks.scaling`'s question: there every
training has a process of its own. A row that is in the result file already is kept, so a run that
was stopped goes on.
Claim: mean ACC within one point of full batch, and no more time.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.clustering_runs import METRICS
from benchmarks.common import RESULTS, write_result
from benchmarks.k_combinations import StageOne, build_graphs, read_run
from graphs import ScaleGraph
from graphs.partition import metis_is_installed
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.methods.icicle import train_mgcn
from iciclegcn.methods.mgcn_result import output_probabilities
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime

FULL = "none"
NAMES = {FULL: "full batch", "cells": "cells of features", "metis": "METIS"}
Row = dict[str, Any]


def measure(
    stage_one: StageOne, graphs: Sequence[ScaleGraph], seed: int, changes: dict[str, Any]
) -> Row:
    """Stage 2 once: metrics and seconds."""
    config = dataclasses.replace(
        stage_one.config, seed=seed, mgcn=dataclasses.replace(stage_one.config.mgcn, **changes)
    )
    runtime = Runtime.create(seed, config.device, config.precision)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        result = train_mgcn(
            stage_one.x,
            graphs,
            stage_one.autoencoder,
            config,
            runtime,
            NullMonitor(),
            folder=Path(folder),
        )
        seconds = time.perf_counter() - started
    clusters = output_probabilities(result, config.mgcn.output).argmax(dim=1).numpy()
    scores = clustering_metrics(stage_one.y, clusters)
    figures = {metric: round(scores[metric], 4) for metric in METRICS}
    return figures | {"seconds": round(seconds, 2)}


def summarize(rows: Sequence[Row]) -> dict[str, Any]:
    """Mean and standard deviation of every side, and what the claim says of each one in cells."""
    sides: dict[str, Any] = {}
    for side in dict.fromkeys(row["side"] for row in rows):
        chosen = [row for row in rows if row["side"] == side]
        sides[side] = {"n": len(chosen)}
        for name in (*METRICS, "seconds"):
            values = [row[name] for row in chosen]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            sides[side][name] = {
                "mean": round(statistics.mean(values), 4),
                "std": round(spread, 4),
            }
    full = sides.get(FULL)
    for side, figures in sides.items():
        if full is not None and side != FULL:
            gap = round(figures["acc"]["mean"] - full["acc"]["mean"], 4)
            figures["acc_less_full_batch"] = gap
            figures["within_one_point"] = abs(gap) <= 0.01
            figures["no_more_time"] = figures["seconds"]["mean"] <= full["seconds"]["mean"]
    return sides


def plot(rows: Sequence[Row], path: Path) -> None:
    """ACC against seconds, a dot a training."""
    import matplotlib

    matplotlib.use("Agg")  # draws into a file, also where there is no screen
    import matplotlib.pyplot as plt

    figure, panel = plt.subplots(figsize=(6, 4))
    for side in dict.fromkeys(row["side"] for row in rows):
        chosen = [row for row in rows if row["side"] == side]
        accuracies = [100 * row["acc"] for row in chosen]
        panel.plot([row["seconds"] for row in chosen], accuracies, "o", label=NAMES[side])
    panel.set_xlabel("seconds of stage 2")
    panel.set_ylabel("ACC in per cent")
    panel.set_xlim(left=0)
    panel.grid(alpha=0.3)
    panel.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def print_table(sides: dict[str, Any]) -> None:
    """One line a side."""
    print(f"{'':20}{'ACC':>14}{'NMI':>14}{'ARI':>14}{'seconds':>14}")
    for side, figures in sides.items():
        cells = [
            f"{100 * figures[metric]['mean']:.2f} ± {100 * figures[metric]['std']:.2f}"
            for metric in METRICS
        ]
        seconds = figures["seconds"]
        cells.append(f"{seconds['mean']:.1f} ± {seconds['std']:.1f}")
        line = "".join(f"{cell:>14}" for cell in cells)
        print(f"{NAMES[side]:20}{line}")


def main() -> None:
    """Measure what is missing, write the result after every training."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a finished run folder")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cell-size", type=int, default=2000)
    parser.add_argument("--cells-per-step", type=int, default=8)
    parser.add_argument("--out", type=Path, default=RESULTS / "partitions.json")
    options = parser.parse_args()
    sizes = {"cell_size": options.cell_size, "cells_per_step": options.cells_per_step}
    setting = {"run": "/".join(options.run.parts[-2:]), **sizes}
    rows: list[Row] = []
    if options.out.exists():
        known = json.loads(options.out.read_text(encoding="utf-8"))
        rows = known["rows"] if known["setting"] == setting else []
    stage_one = read_run(options.run, 1)
    graphs = build_graphs(stage_one, stage_one.config.graph.k)
    for seed in range(options.seeds):
        for side in (FULL, "cells", *(["metis"] if metis_is_installed() else [])):
            if any((row["seed"], row["side"]) == (seed, side) for row in rows):
                continue
            figures = measure(stage_one, graphs, seed, {"partition": side, **sizes})
            rows.append({"seed": seed, "side": side, **figures})
            print(rows[-1], flush=True)
            payload = {
                "question": __doc__.splitlines()[0],
                "command": f"python -m benchmarks.partitions --run {setting['run']} "
                f"--seeds {options.seeds}",
                "setting": setting,
                "num_nodes": len(stage_one.y),
                "sides": summarize(rows),
                "rows": rows,
            }
            write_result("partitions", payload, options.out)
    plot(rows, options.out.with_suffix(".png"))
    print_table(summarize(rows))


if __name__ == "__main__":
    main()
