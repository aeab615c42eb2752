import json
from pathlib import Path
from typing import Any

from benchmarks.method_parts import BY_NAME
from benchmarks.method_tables import (
    plot_calibration,
    read_records,
    report,
    summarize,
    table,
)
from iciclegcn.evaluation.calibration import calibration

PARTS = (BY_NAME["kmeans"], BY_NAME["icicle"], BY_NAME["dec"], BY_NAME["gcc_base"])
SOFT = calibration([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 0, 1]).figures()


def done(part: str, seed: int, acc: float, **others: Any) -> dict[str, Any]:
    return {
        "part": part,
        "seed": seed,
        "status": "done",
        "reason": None,
        "figures": {"acc": acc, "nmi": acc / 2, "ari": 0.25},
        "calibration": None,
        "without_gcns": None,
        "robustness": None,
        "seconds": 100.0 + seed,
        "peak_mib": 1234.0,
    } | others


ROWS = [
    done("kmeans", 0, 0.5),
    done("icicle", 0, 0.4, calibration=SOFT),
    done("icicle", 1, 0.6, calibration=SOFT | {"ece": SOFT["ece"] + 0.2}),
    {"part": "icicle", "seed": 2, "status": "failed", "reason": "out of memory"},
    {"part": "dec", "seed": 0, "status": "failed", "reason": "clustpy is not installed"},
]


def test_a_row_has_mean_and_deviation_of_the_seeds_that_are_there() -> None:
    summary = {entry["part"]: entry for entry in summarize(ROWS, PARTS)}
    assert summary["icicle"]["acc"] == {"mean": 0.5, "std": 0.1414, "seeds": [0.4, 0.6]}
    assert summary["icicle"]["seconds"]["mean"] == 100.5
    assert (summary["icicle"]["n"], summary["icicle"]["not_run"]) == (2, 1)
    assert summary["kmeans"]["ece"] is None


def test_a_row_that_did_not_run_says_why() -> None:
    lines = table(summarize(ROWS, PARTS)).splitlines()
    kmeans = "50.0 | 25.0 | 25.0 | — | 100 | 1,234 | 1 |"
    assert lines[2] == f"| k-means on pixels | {kmeans}"
    # ECE by hand: (.1 + .2 + .3) / 3 = .2, and .4 on the other seed.
    assert "| 30.0 ± 14.1 | 100 | 1,234 | 2 (1 failed: out of memory) |" in lines[3]
    assert lines[4] == "| DEC | not run: clustpy is not installed | | | | | | 0 |"
    assert len(lines) == 5
    assert "not run yet" in table(summarize(ROWS, PARTS), shown=False)


def test_the_report_can_be_made_of_nothing_and_of_parts() -> None:
    nothing = report("digits", [], 2)
    assert nothing.startswith("# Methods on digits, 2 minutes of training each\n")
    assert "| RUC on GCC | not run yet |" in nothing
    assert "| GCNs beat stage 1 alone in equal time | ACC | not measured |" in nothing
    assert "| k-means on pixels | 50.0 | 25.0 |" in report("digits", ROWS, 2)


def test_rows_are_read_from_whole_files_only(tmp_path: Path) -> None:
    (tmp_path / "kmeans-0.json").write_text(json.dumps(ROWS[0]), encoding="utf-8")
    (tmp_path / "kmeans-1.json.partial").write_text("{", encoding="utf-8")
    assert read_records(tmp_path) == [ROWS[0]]
    assert read_records(tmp_path / "absent") == []


def test_the_picture_is_drawn_of_what_has_probabilities(tmp_path: Path) -> None:
    plot_calibration(ROWS[:1], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    plot_calibration([done("icicle_base", 0, 0.5, calibration=SOFT)], tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
