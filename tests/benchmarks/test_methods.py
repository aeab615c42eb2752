import json
from pathlib import Path

import pytest

from benchmarks.method_parts import BY_NAME
from benchmarks.methods import Comparison, write_tables
from tests.benchmarks.fake_runner import FakeRunner


def make(folder: Path) -> tuple[Comparison, FakeRunner]:
    runner = FakeRunner(folder / "runs")
    return Comparison(runner.data, runner, folder / "rows", 120.0), runner


def test_a_row_is_measured_once_and_read_after_that(tmp_path: Path) -> None:
    comparison, runner = make(tmp_path)
    row = comparison.row(BY_NAME["icicle_base"], 0)
    assert row["figures"]["acc"] == 0.75
    assert row["without_gcns"]["acc"] == 0.5
    assert row["calibration"]["accuracy"] == 0.75
    assert row["robustness"] == {"fgsm": {"clean": 1.0}}
    again, other = make(tmp_path)
    assert again.row(BY_NAME["icicle_base"], 0)["figures"] == row["figures"]
    assert other.trained == []
    assert runner.trained == [("icicle_base", 60.0)]
    assert comparison.row(BY_NAME["icicle"], 0)["robustness"] is None


def test_a_part_is_charged_its_base_and_has_the_rest(tmp_path: Path) -> None:
    comparison, runner = make(tmp_path)
    ruc = comparison.row(BY_NAME["ruc_icicle"], 0)
    sdcn = comparison.row(BY_NAME["sdcn"], 0)
    comparison.row(BY_NAME["official"], 0)
    # A base is trained once; RUC pays all its 88 s, another second stage 83 s of it.
    assert runner.trained == [
        ("icicle_base", 60.0),
        ("ruc_icicle", 32.0),
        ("icicle", 90.0),
        ("sdcn", 37.0),
        ("official", 37.0),
    ]
    assert (ruc["charged_seconds"], ruc["seconds"]) == (88.0, 118.0)
    assert (sdcn["charged_seconds"], sdcn["seconds"]) == (83.0, 84.0)
    assert sdcn["peak_mib"] == 900.0  # that of the base
    assert comparison.file(BY_NAME["icicle"], 0).exists()


def test_a_failure_is_written_with_its_reason_and_reaches_what_builds_on_it(
    tmp_path: Path,
) -> None:
    comparison, runner = make(tmp_path)
    runner.failing = {"gcc_base"}
    row = comparison.row(BY_NAME["ruc_gcc"], 0)
    assert (row["status"], row["reason"]) == (
        "failed",
        "GCC, half did not run: out of memory",
    )
    runner.failing = set()
    assert comparison.row(BY_NAME["ruc_gcc"], 0)["status"] == "failed"
    assert comparison.row(BY_NAME["ruc_gcc"], 0, retry=True)["status"] == "done"
    assert json.loads(comparison.file(BY_NAME["gcc_base"], 0).read_text())["status"] == "done"


def test_an_interruption_leaves_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison, runner = make(tmp_path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        comparison.row(BY_NAME["gcc"], 0)
    assert not comparison.file(BY_NAME["gcc"], 0).exists()


def test_a_base_whose_run_is_gone_is_trained_again(tmp_path: Path) -> None:
    comparison, runner = make(tmp_path)
    comparison.row(BY_NAME["icicle"], 0)
    (runner.path("icicle", 0) / "manifest.json").unlink()
    comparison.row(BY_NAME["sdcn"], 0)
    assert [name for name, _ in runner.trained] == ["icicle", "icicle", "sdcn"]


def test_tables_are_made_of_the_rows_that_are_there(tmp_path: Path) -> None:
    comparison, _ = make(tmp_path)
    comparison.row(BY_NAME["kmeans"], 0)
    comparison.row(BY_NAME["icicle"], 0)
    comparison.row(BY_NAME["icicle_base"], 0)
    page = write_tables("digits", 2, comparison.folder, tmp_path)
    assert page == (tmp_path / "methods_digits.md").read_text(encoding="utf-8")
    assert "| k-means on pixels | 75.0 |" in page
    assert "| GCC | not run yet |" in page
    payload = json.loads((tmp_path / "methods_digits.json").read_text(encoding="utf-8"))
    assert payload["rows"][0]["acc"] == {"mean": 0.75, "std": 0.0, "seeds": [0.75]}
    gcns = payload["claims"][0]
    assert gcns["test"]["mean"] == pytest.approx(0.25)
    assert gcns["verdict"] == "cannot be told"  # one seed
    assert (tmp_path / "methods_digits.png").exists()
