import itertools
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import baselines
from benchmarks.baselines import BASELINES, soft_assignments
from iciclegcn.evaluation.metrics import clustering_accuracy


def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three groups of 20 images of 2 x 2 pixels, each bright in another pixel."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    images = rng.integers(0, 40, (60, 1, 2, 2))
    images.reshape(60, 4)[np.arange(60), y] += 200
    return images.astype(np.uint8), y


def run(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.2
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    np.save(folder / "images.npy", blobs()[0])
    words = ["baselines", name, "--images", str(folder / "images.npy"), "--clusters", "3"]
    words += ["--seed", "0", "--seconds", str(seconds), "--out", str(folder / "out")]
    monkeypatch.setattr(sys, "argv", words)
    baselines.main()
    with np.load(folder / "out" / "found.npz") as found:
        arrays = dict(found)
    return arrays, json.loads((folder / "out" / "facts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["kmeans", "agglomerative", "nmf", "autoencoder"])
def test_clear_groups_are_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, facts = run(name, tmp_path, monkeypatch)
    assert clustering_accuracy(blobs()[1], arrays["assignments"]) > 0.9
    assert "probabilities" not in arrays
    assert facts["seconds"] >= 0
    assert ("epochs" in facts) == (name == "autoencoder")


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_spectral_clustering_finds_the_parts_of_its_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays, _ = run("spectral", tmp_path, monkeypatch)
    assert clustering_accuracy(blobs()[1], arrays["assignments"]) == 1


def test_the_auto_encoder_stops_before_an_epoch_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Every look at the clock takes a second: an epoch takes one, and one passes between two.
    clock = itertools.count()
    ticking = SimpleNamespace(perf_counter=lambda: float(next(clock)))
    monkeypatch.setattr(baselines, "time", ticking)
    x = np.eye(4, dtype=np.float32)
    for seconds, epochs in ((0, 1), (2.9, 1), (3, 2), (4.9, 2), (5, 3)):
        assert baselines._train(x, 0, seconds)[1] == epochs


def test_a_student_t_assignment_by_hand() -> None:
    # Squared distances 0 and 1 from (0, 0), 1 and 0 from (1, 0): similarities 1 and 1/2.
    soft = soft_assignments(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert soft.tolist() == [pytest.approx([2 / 3, 1 / 3]), pytest.approx([1 / 3, 2 / 3])]


def flushes_denormals() -> bool:
    return (torch.tensor([1e-39]) * 2).item() == 0


class FakeDEC:
    """Stands in for clustpy's: the pixels are the code, three of them the centres."""

    calls: list[tuple[int, int]] = []  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        assert options["n_clusters"] == 3
        self.calls.append((options["pretrain_epochs"], options["clustering_epochs"]))

    def fit(self, x: np.ndarray) -> "FakeDEC":
        assert flushes_denormals()
        self.dec_cluster_centers_ = np.eye(4)[:3]
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        return x


def test_dec_divides_its_time_and_gives_its_own_soft_assignments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleType("clustpy")
    package.deep = SimpleNamespace(DEC=FakeDEC)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clustpy", package)
    # A clock by which an epoch of pretraining takes .2 s and one of clustering .1 s; 1 s once.
    clock = [0.0]
    monkeypatch.setattr("benchmarks.baselines.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    fit = FakeDEC.fit

    def timed(model: FakeDEC, x: np.ndarray) -> FakeDEC:
        pretraining, clustering = model.calls[-1]
        clock[0] += 1 + 0.2 * pretraining + 0.1 * clustering
        return fit(model, x)

    monkeypatch.setattr(FakeDEC, "fit", timed)
    arrays, facts = run("dec", tmp_path, monkeypatch, seconds=21.05)
    # Three quarters of 20.05 s are 75 epochs; the 5.05 s left are 50.
    assert facts["epochs"] == [75, 50]
    assert not flushes_denormals()  # only while it trains
    assert facts["seconds"] == pytest.approx(21.0)  # trials and warming up are not charged
    assert clustering_accuracy(blobs()[1], arrays["assignments"]) == 1
    assert arrays["probabilities"].sum(axis=1) == pytest.approx(np.ones(60))


def test_without_clustpy_the_reason_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "clustpy", None)
    with pytest.raises(SystemExit, match="clustpy is not installed: pip install"):
        run("idec", tmp_path, monkeypatch)


def test_every_baseline_has_a_name_on_the_command_line() -> None:
    sklearn = ["kmeans", "spectral", "agglomerative", "nmf"]
    assert list(BASELINES) == [*sklearn, "autoencoder", "dec", "idec"]
