"""How fast is one M-GCN training epoch, and how much memory does it take?

Question: one full-batch iteration of stage 2 (forward, targets, four terms, backward, Adam) of
this library against the same mathematics done plainly, as the published code does it: two full
forward passes an epoch (the first, for the targets, keeps its tape alive while the second runs),
``torch.sparse.mm`` on COO matrices, every product transformed before it is aggregated, A.X anew in
each layer and epoch, and default Adam. ``plain, targets without a tape`` is a kinder baseline
than what is published: its first pass runs under ``no_grad``.

Setting: 13,000 nodes x 512, 500-500-2000-10, k = 1 and 10, separate weights, sigma .4, gamma .2,
two threads. Times: median of the timed epochs, sides interleaved in one process, warm-up
discarded. Memory: one child process a side, the highest resident size of five epochs above the
resident size just before the first (so gradients and Adam's moments count). Losses: five epochs
from the same weights. Share of the peak: operations of the matrix products alone, a second, over
what one large square product reaches in the same process; where the rest goes is the profiler's.
Claims against ``plain, as published``: 2.8x in fp32, 6x in bf16, at most half the memory in both.

Command: ``OMP_NUM_THREADS=2 python -m benchmarks.mgcn_epoch``
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import write_result
from benchmarks.memory import status_kib
from benchmarks.plain_mgcn import (
    CHANNELS,
    HIDDEN,
    K_LIST,
    NUM_CLUSTERS,
    NUM_NODES,
    OPTIONS,
    Epoch,
    Inputs,
    plain_epoch,
)
from benchmarks.step_costs import dense_flop, matrix_peak, time_shares
from iciclegcn.methods.mgcn_losses import mgcn_losses, reconstruction_term
from iciclegcn.methods.training_nodes import prepare_graphs
from iciclegcn.nn.mgcn import propagate_features


def library_epoch(inputs: Inputs, dtype: torch.dtype = torch.float32) -> Epoch:
    """One iteration of `iciclegcn.methods.icicle`."""
    x, model = inputs.x, inputs.model
    graphs = prepare_graphs(inputs.graphs, len(x), x.device)
    propagated = propagate_features(x, graphs)
    optimizer = torch.optim.Adam(model.parameters(), OPTIONS.learning_rate, fused=True)
    nobody = torch.zeros(len(x), dtype=torch.long)  # the neighbour term is off, as in the paper

    def epoch() -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
            assigned = model.assign(x, graphs, propagated)
            recon = reconstruction_term(model.autoencoder, x, assigned.code, OPTIONS)
        losses = mgcn_losses(assigned, recon, nobody, OPTIONS)
        optimizer.zero_grad(set_to_none=True)
        losses.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(losses.loss)

    return epoch


PLAIN = "plain, as published"
DTYPES = {"library, fp32": torch.float32, "library, bf16": torch.bfloat16}
CLAIMS = {"library, fp32": 2.8, "library, bf16": 6.0}  # times faster than PLAIN

SIDES: dict[str, Callable[[Inputs], Epoch]] = {
    "library, fp32": library_epoch,
    "library, bf16": lambda inputs: library_epoch(inputs, torch.bfloat16),
    PLAIN: plain_epoch,
    "plain, targets without a tape": lambda inputs: plain_epoch(inputs, tape=False),
}


def measure_memory(side: str, folder: Path, epochs: int) -> None:
    """Child process: print the highest resident size above the one before the first epoch."""
    epoch = SIDES[side](Inputs(folder))
    Path("/proc/self/clear_refs").write_text("5")  # restart the high-water mark
    before = status_kib("VmRSS")
    losses = [epoch() for _ in range(epochs)]
    print(json.dumps({"peak_mib": (status_kib("VmHWM") - before) / 1024, "losses": losses}))


def measure_times(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each side's epochs, taken in turn; the first round is dropped."""
    epochs = {name: build(Inputs(folder)) for name, build in SIDES.items()}
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    for round_ in range(rounds + 1):
        for name, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            if round_:
                times[name].append(time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory-of", choices=list(SIDES))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    if options.memory_of:
        measure_memory(options.memory_of, options.folder, epochs=5)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Inputs.write(folder)
        children = {side: _memory_child(side, folder) for side in SIDES}
        times = measure_times(folder, options.rounds)
        rows: dict[str, dict[str, Any]] = {
            side: {"seconds": statistics.median(seconds), "all_seconds": seconds, **children[side]}
            for side, seconds in times.items()
        }
        for side, dtype in DTYPES.items():
            rows[side] |= measure_costs(side, dtype, folder, rows)
    path = write_result("mgcn_epoch", {"question": __doc__, "sides": rows}, options.out)
    plot(rows, path.with_suffix(".png"))
    _print_table(rows)


def plot(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """Seconds and memory of every side; the library's seconds by kind of operator."""
    import matplotlib

    matplotlib.use("Agg")  # draws into a file, also where there is no screen
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), sharey=True)
    sides = list(rows)
    kinds = list(rows[next(iter(DTYPES))]["time_shares"])
    begin = [0.0] * len(sides)
    for kind in kinds:
        widths = [
            row["seconds"] * row["time_shares"][kind] if "time_shares" in row else 0.0
            for row in rows.values()
        ]
        left.barh(sides, widths, left=begin, label=kind)
        begin = [start + width for start, width in zip(begin, widths, strict=True)]
    plain = [0.0 if "time_shares" in row else row["seconds"] for row in rows.values()]
    left.barh(sides, plain, color="grey", label="not taken apart")
    left.set_xlabel("seconds an epoch (median)")
    left.legend(fontsize=7)
    right.barh(sides, [row["peak_mib"] for row in rows.values()], color="#1f6f8b")
    right.set_xlabel("memory in MiB")
    left.invert_yaxis()
    for panel in (left, right):
        panel.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def measure_costs(
    side: str, dtype: torch.dtype, folder: Path, rows: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """What the library's step is compared with: the plain version and the machine's peak."""
    flop = dense_flop(NUM_NODES, (CHANNELS, *HIDDEN, NUM_CLUSTERS), len(K_LIST))
    peak, reached = matrix_peak(dtype), flop / rows[side]["seconds"]
    return {
        "times_faster_than_plain": rows[PLAIN]["seconds"] / rows[side]["seconds"],
        "times_faster_claimed": CLAIMS[side],
        "share_of_plain_memory": rows[side]["peak_mib"] / rows[PLAIN]["peak_mib"],
        "matrix_gflop": flop / 1e9,
        "matrix_peak_gflop_per_second": peak / 1e9,
        "share_of_peak": reached / peak,
        "time_shares": time_shares(SIDES[side](Inputs(folder))),
    }


def _memory_child(side: str, folder: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.mgcn_epoch", "--memory-of", side]
    output = subprocess.run(
        [*command, "--folder", str(folder)], check=True, capture_output=True, text=True
    ).stdout
    result: dict[str, object] = json.loads(output.splitlines()[-1])
    return result


def _print_table(rows: dict[str, dict[str, Any]]) -> None:
    ours = rows["library, fp32"]
    print(f"{'':32}{'s/epoch':>9}{'vs fp32':>9}{'MiB':>9}{'vs fp32':>9}  losses of five epochs")
    for side, row in rows.items():
        speed, memory = (row[name] / ours[name] for name in ("seconds", "peak_mib"))
        losses = " ".join(f"{value:.6g}" for value in row["losses"])
        times = f"{row['seconds']:9.3f}{speed:8.2f}x{row['peak_mib']:9.0f}{memory:8.2f}x"
        print(f"{side:32}{times}  {losses}")
    for side in DTYPES:
        row = rows[side]
        shares = ", ".join(f"{name} {share:.0%}" for name, share in row["time_shares"].items())
        print(
            f"{side}: {row['times_faster_than_plain']:.2f}x plain (claim {CLAIMS[side]}x), "
            f"{row['share_of_plain_memory']:.0%} of its memory, {row['share_of_peak']:.0%} of the "
            f"matrix peak; {shares}"
        )


if __name__ == "__main__":
    main()
