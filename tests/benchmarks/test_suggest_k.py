import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import suggest_k
from benchmarks.suggest_k import main, table
from tests.results.test_suggestion import COUNT, made
from tests.tiny_run import TINY

QUICK = ["--seeds", "1", "--resamples", "2", "--most", "8"]


@pytest.fixture
def out(tmp_path: Path) -> list[str]:
    return ["--folder", str(tmp_path / "runs"), "--out", str(tmp_path / "out.json")]


def test_given_features_and_runs_are_measured_once(
    tmp_path: Path, out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run")
    given = ["--given", f"file:4:{run}/features.npy", f"run:4:{run}"]
    main([*given, *QUICK, *out])
    printed = capsys.readouterr().out.splitlines()
    assert printed[2].startswith(f"| file | 4 | {COUNT} | ")
    assert printed[3].startswith(f"| run | 4 | {COUNT} | ")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [row["name"] for row in content["rows"]] == ["file", "run"]
    assert [row["source"] for row in content["rows"]] == ["features.npy", "run"]
    assert content["question"].endswith("?")
    assert content["rows"][0]["curves"]["num_clusters"] == list(range(2, 9))
    for file in run.glob("*.npy"):
        file.unlink()
    main([*given, *QUICK, *out])  # nothing is left to do
    assert capsys.readouterr().out.splitlines() == printed


def test_a_trained_run_stops_at_its_graph(tmp_path: Path, out: list[str]) -> None:
    cut = [f"{name}={TINY[name]}" for name in ("backbone.width", "pretrain.projection_channels")]
    cut += [
        "pretrain.epochs=1",
        "autoencoder.hidden_channels=8,8",
        "device=cpu",
        "data.image_size=8",
    ]
    main(["--train", "digits", "--guesses", "5", "--set", *cut, *QUICK, *out])
    [row] = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert (row["name"], row["num_classes"], row["guess"]) == ("digits, learned for 5", 10, 5)
    assert row["num_rows"] == 1797
    folder = tmp_path / "runs" / "digits-5-0"
    assert (folder / "neighbors.npz").is_file()
    assert not (folder / "assignments.csv").exists()


def test_the_table_has_a_line_a_case() -> None:
    found = {"num_clusters": 10, "low": 10, "high": 12}
    unsure = {"num_clusters": None, "low": 9, "high": 20}
    silent = {"num_clusters": None, "low": None, "high": None}
    rows = [
        {"name": "a", "num_classes": 10, "seed": seed, "seconds": 4.0, "suggestion": each}
        for seed, each in ((1, unsure), (0, found), (2, silent))
    ]
    line = table(rows).splitlines()[2]
    assert line == "| a | 10 | 10 (10 to 12), cannot tell (9 to 20), cannot tell | 4 |"


def test_what_does_not_fit_is_refused(out: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(out)
    for wrong in ("name", "name:file.npy", "name:ten:file.npy"):
        with pytest.raises(ValueError, match="'--given' must be"):
            main(["--given", wrong, *out])
    with pytest.raises(ValueError, match="known by name"):
        main(["--pixels", "photos", *out])


def test_pixels_are_rows(monkeypatch: pytest.MonkeyPatch, out: list[str], tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (80, 1, 3, 3)).astype(np.uint8)
    monkeypatch.setattr(
        suggest_k, "open_data", lambda source, folder: type("Data", (), {"images": images})
    )
    main(["--pixels", "digits", *QUICK, *out])
    [row] = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert row["num_rows"] == 80
    assert row["suggestion"]["num_clusters"] is None  # noise
