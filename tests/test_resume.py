"""A run that is killed and continued gives the bits of one that was left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAME = ("assignments.csv", "history.jsonl", "features.npy")


def interrupted_runs(folder: Path, *methods: str) -> dict[str, dict[str, Any]]:
    """Runs of every method under ``folder/METHOD``: ``whole``, and ``killed`` again and again."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "ICICLEGCN_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_runs", str(folder), "0", *methods],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reports: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return reports


def assert_same_results(folder: Path, model: str) -> None:
    for name in (*SAME, f"checkpoints/{model}.safetensors"):
        whole, killed = folder / "whole" / name, folder / "killed" / name
        assert killed.read_bytes() == whole.read_bytes(), name
    assert not list((folder / "killed" / "checkpoints").glob("*.pt"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_five_kills_leave_no_trace_in_the_result(tmp_path: Path) -> None:
    report = interrupted_runs(tmp_path, "icicle")["icicle"]
    assert report["killed"] == [True] * 5, report
    assert report["rows"] == 8 * 4 + 30
    assert_same_results(tmp_path / "icicle", "mgcn")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_kills_leave_no_trace_in_the_other_methods_either(tmp_path: Path) -> None:
    reports = interrupted_runs(tmp_path, "gcc", "self-label", "ruc")
    for method, report in reports.items():
        assert report["killed"] == [True] * 2, reports
        assert report["rows"] > 0
        assert_same_results(tmp_path / method, "classifier")
