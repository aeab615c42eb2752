"""Seconds, memory and recall of every search at every size it can go to; resumable."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.common import RESULTS, write_result
from benchmarks.graph_searches import SIDES
from benchmarks.scaling_stages import CHANNELS, make_features
from graphs import knn

K = 10
SIZES = (5_000, 20_000, 60_000, 200_000, 1_000_000)
_POLL_SECONDS = 0.2


def features_file(folder: Path, num_nodes: int) -> Path:
    """Planted clusters on the disk, made once."""
    size = folder / str(num_nodes)
    size.mkdir(parents=True, exist_ok=True)
    if not (size / "features.npy").exists():
        make_features(size, num_nodes)
    return size / "features.npy"


def watched(command: Sequence[str], limit_seconds: float, limit_gib: float) -> dict[str, Any]:
    """Run a command that prints JSON; stop it where it takes too long or too much memory."""
    start = time.monotonic()
    root = Path(__file__).resolve().parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        while process.poll() is None:
            if time.monotonic() - start > limit_seconds:
                process.kill()
                return {"stopped": f"over {limit_seconds:.0f} s"}
            if _resident_gib(process.pid) > limit_gib:
                process.kill()
                return {"stopped": f"over {limit_gib:g} GiB"}
            time.sleep(_POLL_SECONDS)
        output = process.stdout.read() if process.stdout else b""
    if process.returncode:
        return {"stopped": f"failed with exit status {process.returncode}"}
    result: dict[str, Any] = json.loads(output)
    return result


def beyond(
    cases: dict[str, dict[str, Any]], side: str, num_nodes: int, limit_seconds: float
) -> str | None:
    """Why a case need not be tried, from the smaller ones; None: it must be."""
    for key, case in cases.items():
        name, size = key.split("/")
        if name != side or int(size) >= num_nodes:
            continue
        if "stopped" in case:
            return f"{case['stopped']} at {int(size):,}"
        expected = case["seconds"] * (num_nodes / int(size)) ** SIDES[side].power
        if side != "ours" and expected > 2 * limit_seconds:
            return f"about {expected:,.0f} s expected"
    return None


def run(
    name: str,
    sizes: Sequence[int],
    sides: Sequence[str],
    folder: Path,
    limits: tuple[float, float],
    out: Path | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure what is not in the result file yet; write it after every case."""
    path = out if out is not None else RESULTS / f"{name}.json"
    settings: dict[str, Any] = {
        "dim": CHANNELS,
        "k": K,
        "limit_seconds": limits[0],
        "limit_gib": limits[1],
    }
    cases = _known(path, settings)
    for num_nodes in sorted(sizes):
        file = features_file(folder, num_nodes)
        for side in sides:
            key = f"{side}/{num_nodes}"
            if key not in cases:
                reason = beyond(cases, side, num_nodes, limits[0])
                command = [sys.executable, "-m", "benchmarks.graph_searches"]
                command += [side, str(file.resolve()), str(K)]
                cases[key] = {"stopped": reason} if reason else watched(command, *limits)
                payload = {"question": __doc__, **settings, "cases": cases}
                write_result(name, payload, path)
            print(f"{num_nodes:>10,} {side:<17} {_line(cases[key])}", flush=True)
    return cases


def against_faiss(folder: Path, num_nodes: int, repeats: int, out: Path | None) -> None:
    """Time the exact search and the bare calls in turns; write and print their ratio."""
    x = np.load(features_file(folder, num_nodes))
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: knn(x, K, index="exact"),
        "faiss": lambda: faiss.knn(x, x, K + 1),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):  # the first warms up
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if repeat > 0:
                seconds[name].append(time.perf_counter() - start)
    means = {name: statistics.fmean(values) for name, values in seconds.items()}
    payload = {
        "question": "What does our exact search take above the bare FAISS calls?",
        "command": "python -m benchmarks.graph_build --against-faiss",
        "num_nodes": num_nodes,
        "dim": x.shape[1],
        "k": K,
        "seconds": seconds,
        "ratio": means["ours"] / means["faiss"],
    }
    path = write_result("graph_exact", payload, out)
    print(f"ours {means['ours']:.2f} s, bare FAISS {means['faiss']:.2f} s: {path.name}")
    print(f"ratio {payload['ratio']:.3f} over {repeats} repeats of {num_nodes:,} rows")


def plot(cases: dict[str, dict[str, Any]], path: Path) -> None:
    """Seconds, memory and recall against the number of rows."""
    import matplotlib

    matplotlib.use("Agg")  # draws into a file, also where there is no screen
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(13, 4))
    titles = {"seconds": "seconds", "peak_mib": "peak memory in MiB", "recall": "recall"}
    for panel, (field, title) in zip(panels, titles.items(), strict=True):
        for side in SIDES:
            points = sorted(
                (int(key.split("/")[1]), case[field])
                for key, case in cases.items()
                if key.split("/")[0] == side and field in case
            )
            if points:
                panel.plot(*zip(*points, strict=True), marker="o", ms=4, label=side)
        panel.set_xscale("log")
        if field != "recall":
            panel.set_yscale("log")
        panel.set_xlabel(f"rows of {CHANNELS}")
        panel.set_title(title, fontsize=10)
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _known(path: Path, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Cases measured before under the same settings."""
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if any(content.get(name) != value for name, value in settings.items()):
        return {}
    cases: dict[str, dict[str, Any]] = content["cases"]
    return cases


def _resident_gib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        return int(text.split("VmRSS:")[1].split()[0]) / 2**20
    except (OSError, LookupError, ValueError):
        return 0.0  # it has just ended


def _line(case: dict[str, Any]) -> str:
    if "stopped" in case:
        return f"not measured: {case['stopped']}"
    return f"{case['seconds']:9.1f} s {case['peak_mib']:9,.0f} MiB  recall {case['recall']:.4f}"
