"""Whole `iciclegcn run`s over several seeds, each in a process of its own."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

METRICS = ("acc", "nmi", "ari")
HEADS = {metric: metric.upper() for metric in METRICS}
Scores = dict[str, dict[str, float]]  # row -> metric -> value


def run_once(arguments: Sequence[str], out: Path) -> tuple[Scores, float]:
    """Start or continue one run and read its scores.

    Args:
        arguments: Everything after ``iciclegcn run`` except ``--out``.
        out: The run folder.

    Returns:
        Scores of every head, and the seconds of this process from start to end.
    """
    command = [sys.executable, "-m", "iciclegcn", "run", *arguments, "--out", str(out)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return {name: dict(values) for name, values in metrics["heads"].items()}, seconds


def summarize(runs: Sequence[Scores], rows: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Mean, standard deviation and every seed's value of some rows."""
    summary: dict[str, dict[str, Any]] = {}
    for row in rows:
        summary[row] = {}
        for metric in METRICS:
            values = [run[row][metric] for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            summary[row][metric] = {
                "mean": round(statistics.mean(values), 4),
                "std": round(spread, 4),
                "seeds": [round(value, 4) for value in values],
            }
    return summary


def print_table(summary: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> None:
    """One line a row: mean and standard deviation of every metric, in per cent."""
    print(f"{'':38s}" + "".join(f"{metric.upper():>14s}" for metric in METRICS))
    for row, metrics in summary.items():
        print(f"{names[row]:38s}" + "".join(f"{cell:>14s}" for cell in _cells(metrics, METRICS)))


def markdown_table(
    summary: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    heads: Mapping[str, str] = HEADS,
) -> str:
    """The same as Markdown: ``heads`` are the columns, by the metric that each shows."""
    lines = [f"| | {' | '.join(heads.values())} |", "|---" * (len(heads) + 1) + "|"]
    for row, name in names.items():
        lines.append(f"| {name} | {' | '.join(_cells(summary[row], heads))} |")
    return "\n".join(lines)


def _cells(figures: Mapping[str, Any], metrics: Iterable[str]) -> list[str]:
    return [_cell(figures[name]) for name in metrics]


def _cell(figure: Mapping[str, Any]) -> str:
    mean = f"{100 * figure['mean']:.1f}"
    return mean if len(figure["seeds"]) == 1 else f"{mean} ± {100 * figure['std']:.1f}"
