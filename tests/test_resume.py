"""A run that is killed and continued gives the bits of one that was left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAME = ("assignments.csv", "history.jsonl", "features.npy", "checkpoints/mgcn.safetensors")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_five_kills_leave_no_trace_in_the_result(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "ICICLEGCN_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_runs", str(tmp_path), "0"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["killed"] == [True] * 5, report
    assert report["rows"] == 8 * 4 + 30
    for name in SAME:
        whole, killed = tmp_path / "whole" / name, tmp_path / "killed" / name
        assert killed.read_bytes() == whole.read_bytes(), name
    assert not list((tmp_path / "killed" / "checkpoints").glob("*.pt"))
