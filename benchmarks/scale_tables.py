"""What rows of `benchmarks.k_combinations` say together: a table, a plot, and paired tests."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.clustering_runs import METRICS
from benchmarks.paired_test import FAILS, HOLDS, paired_test

Scales = tuple[int, ...]
Values = dict[Scales, dict[tuple[str, int], float]]  # one figure of every combination and pair
_VERDICTS = {HOLDS: "better", FAILS: "worse"}


def compare(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Multi-scale less single-scale for every metric: ``mean_of_each`` kind, ``best_of_each``."""
    found: dict[str, dict[str, dict[str, Any]]] = {"mean_of_each": {}, "best_of_each": {}}
    for metric in METRICS:
        values: Values = {}
        for row in rows:
            values.setdefault(tuple(row["k"]), {})[row["run"], row["seed"]] = row[metric]
        singles: Values = {k: pairs for k, pairs in values.items() if len(k) == 1}
        several: Values = {k: pairs for k, pairs in values.items() if len(k) > 1}
        if not singles or not several:
            continue
        shared = sorted(set.intersection(*(set(pairs) for pairs in values.values())))
        if len(shared) < 2:
            continue

        def mean(kind: Values, pair: tuple[str, int]) -> float:
            return statistics.mean(pairs[pair] for pairs in kind.values())

        found["mean_of_each"][metric] = _difference(
            [mean(several, pair) - mean(singles, pair) for pair in shared]
        )
        one, many = (_best(kind, shared) for kind in (singles, several))
        found["best_of_each"][metric] = {
            "multi_scale": list(many),
            "single_scale": list(one),
            **_difference([several[many][pair] - singles[one][pair] for pair in shared]),
        }
    return found


def _best(kind: Values, shared: Sequence[tuple[str, int]]) -> Scales:
    return max(kind, key=lambda k: statistics.mean(kind[k][pair] for pair in shared))


def _difference(differences: Sequence[float]) -> dict[str, Any]:
    """The paired test of two differences or more, as plain values."""
    test = paired_test(differences)
    return {
        "mean_difference": round(test.mean, 4),
        "std": round(test.std, 4),
        "p": None if test.p is None else round(test.p, 4),
        "pairs": test.pairs,
        "multi_scale_is": _VERDICTS.get(test.verdict, test.verdict),
    }


def summarize(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation of every figure of every combination, in the rows' order."""
    summary = []
    for scales in dict.fromkeys(tuple(row["k"]) for row in rows):
        chosen = [row for row in rows if tuple(row["k"]) == scales]
        entry: dict[str, Any] = {"k": list(scales), "n": len(chosen)}
        for name in (*METRICS, "seconds", "peak_mib"):
            values = [row[name] for row in chosen]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            entry[name] = {"mean": round(statistics.mean(values), 4), "std": round(spread, 4)}
        for name in ("edges", "homophily"):
            entry[name] = [
                round(statistics.mean(each), 4)
                for each in zip(*(row[name] for row in chosen), strict=True)
            ]
        summary.append(entry)
    return summary


def table(summary: Sequence[dict[str, Any]]) -> str:
    """The summary in Markdown, metrics in per cent."""
    lines = [
        "| k | ACC | NMI | ARI | edges | homophily | seconds | MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in summary:
        cells = [" + ".join(map(str, entry["k"]))]
        cells += [
            f"{100 * entry[metric]['mean']:.1f} ± {100 * entry[metric]['std']:.1f}"
            for metric in METRICS
        ]
        cells.append(" + ".join(f"{count:,.0f}" for count in entry["edges"]))
        cells.append(" + ".join(f"{share:.3f}" for share in entry["homophily"]))
        cells.append(f"{entry['seconds']['mean']:.1f}")
        cells.append(f"{entry['peak_mib']['mean']:,.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(summary: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """ACC, NMI and ARI of every combination, one dot and one standard deviation each."""
    import matplotlib

    matplotlib.use("Agg")  # draws into a file, also where there is no screen
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(METRICS), figsize=(10, 3.6), sharey=True)
    names = [" + ".join(map(str, entry["k"])) for entry in summary]
    colors = ["#1f6f8b" if len(entry["k"]) > 1 else "#b3562e" for entry in summary]
    for panel, metric in zip(panels, METRICS, strict=True):
        for height, (entry, color) in enumerate(zip(summary, colors, strict=True)):
            value = entry[metric]
            panel.errorbar(
                100 * value["mean"], height, xerr=100 * value["std"], fmt="o", color=color, ms=5
            )
        panel.set_xlabel(f"{metric.upper()} in per cent")
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    panels[0].set_ylabel("scales k")
    figure.suptitle(f"{title} (orange: one scale, blue: several)", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
