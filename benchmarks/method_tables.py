"""Tables and pictures of the rows that are there, whichever those are."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims import CLAIMS, Record, by_row_and_seed, check, claims_table
from benchmarks.method_parts import PARTS, Part

_METRICS = ("acc", "nmi", "ari", "ece")


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Every row file of a folder."""
    files = sorted(folder.glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def summarize(records: Sequence[Record], parts: Sequence[Part] = PARTS) -> list[dict[str, Any]]:
    """Mean and standard deviation of every row, in the order of the parts.

    A row without any measured seed has ``n`` 0 and, where it was tried, the ``reason``.
    """
    summary = []
    for part in parts:
        own = [record for record in records if record["part"] == part.name]
        done = [record for record in own if record["status"] == "done"]
        reasons = [record["reason"] for record in own if record["status"] != "done"]
        entry: dict[str, Any] = {"part": part.name, "title": part.title, "shown": part.shown}
        entry |= {"n": len(done), "not_run": len(reasons), "reason": (reasons or [None])[0]}
        for name in _METRICS:
            entry[name] = _spread([_metric(record, name) for record in done])
        for name in ("seconds", "peak_mib"):
            entry[name] = _spread([record[name] for record in done])
        summary.append(entry)
    return summary


def table(summary: Sequence[Mapping[str, Any]], *, shown: bool = True) -> str:
    """Rows in Markdown, metrics in per cent.

    Args:
        summary: As `summarize` gives it.
        shown: The rows of the table, or the first stages that they began with.
    """
    lines = [
        "| method | ACC | NMI | ARI | ECE | seconds | MiB | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in summary:
        if entry["shown"] is not shown:
            continue
        if entry["n"] == 0:
            reason = f"not run: {entry['reason']}" if entry["reason"] else "not run yet"
            lines.append(f"| {entry['title']} | {reason.replace('|', '/')} | | | | | | 0 |")
            continue
        cells = [entry["title"], *(percent(entry[name]) for name in _METRICS)]
        cells += [f"{entry[name]['mean']:,.0f}" for name in ("seconds", "peak_mib")]
        failed = f" ({entry['not_run']} failed: {entry['reason']})" if entry["not_run"] else ""
        lines.append("| " + " | ".join([*cells, f"{entry['n']}{failed}"]) + " |")
    return "\n".join(lines) + "\n"


def report(name: str, records: Sequence[Record], minutes: float) -> str:
    """One page in Markdown: the rows, the first stages, the claims.

    Args:
        name: Of the data.
        records: Rows that are there.
        minutes: Of training a row.
    """
    summary = summarize(records)
    measured = by_row_and_seed(records)
    findings = [check(claim, measured) for claim in CLAIMS]
    return "\n".join(
        [
            f"# Methods on {name}, {minutes:g} minutes of training each",
            "",
            "Metrics in per cent, mean ± standard deviation over the seeds. Seconds are those of "
            "training, shared first stages included; MiB the highest resident size of a process.",
            "",
            table(summary),
            "What the retrained rows began with:",
            "",
            table(summary, shown=False),
            "A claim holds, or does not, where a two-sided paired t-test gives p < .05.",
            "",
            claims_table(findings),
        ]
    )


def plot_calibration(records: Sequence[Record], path: Path) -> None:
    """Reliability and risk against coverage before and after RUC, of the lowest seed there is."""
    from iciclegcn.evaluation.calibration_plot import plot_calibration as draw

    known = by_row_and_seed(records)
    names = ("icicle_base", "ruc_icicle", "gcc_base", "ruc_gcc")
    titles = {part.name: part.title for part in PARTS}
    drawn = {}
    for name in names:
        seeds = sorted(seed for part, seed in known if part == name)
        if seeds and known[name, seeds[0]]["calibration"]:
            drawn[titles[name]] = known[name, seeds[0]]["calibration"]
    if drawn:
        draw(drawn, path)


def percent(value: Mapping[str, Any] | None) -> str:
    """Mean, and standard deviation of more than one seed, in per cent; a dash for no value.

    Args:
        value: As `summarize` gives it.
    """
    if value is None:
        return "—"
    if len(value["seeds"]) == 1:
        return f"{100 * value['mean']:.1f}"
    return f"{100 * value['mean']:.1f} ± {100 * value['std']:.1f}"


def _metric(record: Record, name: str) -> float | None:
    if name != "ece":
        return float(record["figures"][name])
    return float(record["calibration"]["ece"]) if record["calibration"] else None


def _spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    std = statistics.stdev(known) if len(known) > 1 else 0.0
    rounded = [round(value, 4) for value in known]
    mean = statistics.mean(known)
    return {"mean": round(mean, 4), "std": round(std, 4), "seeds": rounded}
