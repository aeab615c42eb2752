import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pretrained
from benchmarks.pretrained import ROWS, kept, run_baselines
from tests.tiny_networks import write_torchscript
from tests.tiny_run import write_images


def blobs(count: int) -> np.ndarray:
    """Two groups far apart, one after the other."""
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(count, 3)).astype(np.float32)
    rows[count // 2 :] += 20
    return rows


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_the_baselines_find_groups_that_are_there() -> None:
    found = run_baselines(blobs(60), 0, 2, 40)
    assert len(found["kmeans"]) == 60
    assert len(found["sample"]) == len(found["spectral"]) == 40
    assert found["sample"] == sorted(set(found["sample"]))
    truth = np.arange(60) >= 30
    for clusters, y in ((found["kmeans"], truth), (found["spectral"], truth[found["sample"]])):
        assert len({(a, b) for a, b in zip(clusters, y.tolist(), strict=True)}) == 2
    assert set(found["seconds"]) == {"kmeans", "spectral_sample"}


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    assert kept(file, {"sample": 50}, lambda: {"seconds": 1.5}) == {"seconds": 1.5}
    assert kept(file, {"sample": 50}, lambda: {"seconds": 9.0}) == {"seconds": 1.5}


def test_what_was_measured_with_other_options_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    kept(file, {"sample": 50}, lambda: {"seconds": 1.5})
    with pytest.raises(
        SystemExit, match=r"found\.json.*'sample': 50.*'sample': 60.*another --runs"
    ):
        kept(file, {"sample": 60}, lambda: {"seconds": 9.0})


def test_every_row_comes_from_one_extraction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = write_images(tmp_path / "images.npy", 80)
    network = write_torchscript(tmp_path / "net.pt")
    y = np.arange(80) % 4
    monkeypatch.setattr(pretrained, "draw", lambda *_: (str(images), [], y))
    speeds = {"fp32": {"images_per_second": 10.0}}
    monkeypatch.setattr(pretrained, "extraction_speeds", lambda *_: speeds)
    words = ["--data", "unused", "--clusters", "4", "--seeds", "1", "--sample", "50"]
    words += ["--backbone", str(network), "--side", "8", "--runs", str(tmp_path / "runs")]
    words += ["--out", str(tmp_path / "found.json"), "--", "--encode.epochs", "1"]
    words += ["--autoencoder.hidden_channels", "8,8", "--mgcn.iterations", "2"]
    monkeypatch.setattr(sys, "argv", ["pretrained", *words])
    pretrained.main()
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert set(found["rows"]) == set(ROWS)
    assert all(0 < found["rows"][row]["acc"]["mean"] <= 1 for row in ROWS)
    assert found["extraction"]["num_features"] == 4
    assert found["speed"] == speeds
    assert "IcicleGCN, on the sample" in capsys.readouterr().out
