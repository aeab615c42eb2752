"""One page over all data sets on which methods were compared."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.method_data import DEFAULTS
from benchmarks.method_tables import percent

FILE = "methods.md"
_TITLES = {"digits": "digits", "mnist5k": "MNIST-5k", "cifar10_10k": "CIFAR-10 10k"}

Results = Mapping[str, Mapping[str, Any]]  # what `methods_<data>.json` holds, by data


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """The results of every data set that has any, the small ones first."""
    files = {name: folder / f"methods_{name}.json" for name in DEFAULTS}
    return {
        name: json.loads(file.read_text(encoding="utf-8"))
        for name, file in files.items()
        if file.exists()
    }


def overview(results: Results) -> str:
    """Accuracy and calibration of every row, and what became of every claim, in Markdown.

    Args:
        results: As `read_results` gives them.
    """
    minutes = (f"{_TITLES[name]} {each['minutes']:g}" for name, each in results.items())
    return "\n".join(
        [
            "# Methods in equal time",
            "",
            f"Minutes of training a row: {', '.join(minutes)}. Metrics in per cent, mean ± "
            "standard deviation over the seeds, whose number stands in brackets.",
            "",
            _rows(results),
            "",
            "What became of the papers' claims: the verdict of a two-sided paired t-test at "
            "p < .05, and the gain in points, positive where the claim is right.",
            "",
            _claims(results),
            "",
        ]
    )


def write_overview(folder: Path) -> None:
    """Write the page of the results in a folder beside them."""
    (folder / FILE).write_text(overview(read_results(folder)), encoding="utf-8")


def _rows(results: Results) -> str:
    by_data = {
        name: {row["part"]: row for row in each["rows"] if row["shown"]}
        for name, each in results.items()
    }
    titles = {part: row["title"] for rows in by_data.values() for part, row in rows.items()}
    heads = [f"{_TITLES[name]}, {figure}" for name in results for figure in ("ACC", "ECE")]
    lines = _head(["method", *heads])
    for part, title in titles.items():
        cells = [title]
        for rows in by_data.values():
            row = rows.get(part, {})
            acc, ece = row.get("acc"), row.get("ece")
            seeds = f" ({row['n']})" if acc else ""
            cells += [percent(acc) + seeds, percent(ece)]
        lines.append(_line(cells))
    return "\n".join(lines)


def _claims(results: Results) -> str:
    by_data = [
        {finding["claim"]["text"]: finding for finding in each["claims"]}
        for each in results.values()
    ]
    texts = dict.fromkeys(text for found in by_data for text in found)
    lines = _head(["claim", *(_TITLES[name] for name in results)])
    for text in texts:
        lines.append(_line([text, *(_verdict(found.get(text)) for found in by_data)]))
    return "\n".join(lines)


def _verdict(finding: Mapping[str, Any] | None) -> str:
    if finding is None or finding["test"] is None:
        return "not measured"
    return f"{finding['verdict']} ({100 * finding['test']['mean']:+.1f})"


def _head(cells: list[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
