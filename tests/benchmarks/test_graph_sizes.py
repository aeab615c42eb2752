import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import graph_sizes
from benchmarks.graph_sizes import against_faiss, beyond, features_file, plot, run, watched

LIMITS = (100.0, 16.0)
MEASURED = {"seconds": 1.0, "peak_mib": 2.0, "recall": 0.97}


def python(program: str) -> list[str]:
    return [sys.executable, "-S", "-c", program]


def test_a_watched_command_hands_back_its_figures() -> None:
    assert watched(python("print('{\"seconds\": 3}')"), *LIMITS) == {"seconds": 3}


def test_a_command_beyond_its_limits_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_sizes, "_POLL_SECONDS", 0.02)
    endless = python("while True: pass")
    assert watched(endless, 0.1, 16) == {"stopped": "over 0 s"}
    assert watched(endless, 100, 0) == {"stopped": "over 0 GiB"}
    failed = watched(python("raise SystemExit(3)"), *LIMITS)
    assert failed == {"stopped": "failed with exit status 3"}


def test_smaller_sizes_tell_what_is_out_of_reach() -> None:
    cases: dict[str, dict[str, Any]] = {"sklearn/1000": {"seconds": 10.0}}
    assert beyond(cases, "sklearn", 4000, 100) is None  # 160 s, within twice the limit
    assert beyond(cases, "sklearn", 10_000, 100) == "about 1,000 s expected"
    assert beyond(cases, "hnswlib", 10_000, 100) is None
    assert beyond({"dense/50": {"stopped": "over 9 GiB"}}, "dense", 60, 100) == "over 9 GiB at 50"
    # Ours changes its index as it grows.
    assert beyond({"ours/1000": {"seconds": 10.0}}, "ours", 10_000, 100) is None


def test_what_is_measured_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fake(command: list[str], *limits: float) -> dict[str, Any]:
        asked.append(command[3])
        return dict(MEASURED)

    monkeypatch.setattr(graph_sizes, "watched", fake)
    out = tmp_path / "sizes.json"
    run("sizes", (200,), ("ours", "dense"), tmp_path, LIMITS, out)
    cases = run("sizes", (200,), ("ours", "sklearn", "dense"), tmp_path, LIMITS, out)
    assert asked == ["ours", "dense", "sklearn"]
    assert json.loads(out.read_text(encoding="utf-8"))["cases"] == cases
    run("sizes", (200,), ("ours",), tmp_path, (50.0, 16.0), out)
    assert asked[3:] == ["ours"]  # other limits: another measurement
    plot(cases, tmp_path / "sizes.png")
    assert (tmp_path / "sizes.png").stat().st_size > 1000


def test_features_are_made_once(tmp_path: Path) -> None:
    file = features_file(tmp_path, 100)
    assert np.load(file).shape == (100, 512)
    np.save(file, np.zeros(3))
    assert np.load(features_file(tmp_path, 100)).shape == (3,)


def test_the_exact_search_is_held_against_bare_calls(tmp_path: Path) -> None:
    against_faiss(tmp_path, 300, 2, tmp_path / "exact.json")
    content = json.loads((tmp_path / "exact.json").read_text(encoding="utf-8"))
    assert {name: len(values) for name, values in content["seconds"].items()} == {
        "ours": 2, "faiss": 2
    }  # fmt: skip
    assert content["ratio"] > 0
