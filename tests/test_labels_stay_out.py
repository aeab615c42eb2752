"""Labels may change figures, and nothing else."""

from pathlib import Path

import pytest

from iciclegcn.config import Config
from iciclegcn.pipeline import run, run_stage
from iciclegcn.run_folder.artefacts import RunArtefacts
from tests.tiny_run import (
    tiny_config,
    tiny_features,
    tiny_gcc,
    tiny_on_a_run,
    write_features,
    write_images,
    write_labels,
)

NOT_COMPARED = {"config.yaml", "manifest.json", "metrics.json"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))


def contents(out: Path) -> dict[str, bytes]:
    """Everything but the report: that is there to show the truth."""
    files = [file for file in out.rglob("*") if file.is_file() and file.name != "report.html"]
    files = [file for file in files if file.parent.name != "figures"]
    return {str(file.relative_to(out)): file.read_bytes() for file in files}


@pytest.mark.parametrize("given", ["images", "features"])
def test_true_permuted_and_absent_labels_give_the_same_bytes(given: str, tmp_path: Path) -> None:
    def configured(labels: Path | None) -> Config:
        truth = labels and str(labels)
        if given == "images":
            return tiny_config(write_images(tmp_path / "given.npy"), data__labels=truth)
        return tiny_features(write_features(tmp_path / "given.npy"), data__labels=truth)

    true = write_labels(tmp_path / "true.csv")
    permuted = write_labels(tmp_path / "permuted.csv", seed=1)
    runs = {
        name: run(configured(labels), tmp_path / name)
        for name, labels in (("with_true", true), ("with_permuted", permuted), ("absent", None))
    }
    results = {name: contents(out) for name, out in runs.items()}
    expected = results["absent"]
    assert {"assignments.csv", "history.jsonl", "checkpoints/mgcn.safetensors"} <= expected.keys()
    assert {"clusters.csv", "outliers.csv", "near_duplicates.csv"} <= expected.keys()
    for name in ("with_true", "with_permuted"):
        assert results[name].keys() == expected.keys()
        differing = {file for file in expected if results[name][file] != expected[file]}
        assert differing <= NOT_COMPARED
    figures = {name: RunArtefacts(out).read_metrics()["heads"] for name, out in runs.items()}
    assert figures["absent"] is None
    assert figures["with_true"] != figures["with_permuted"]


def test_labels_stay_out_of_every_method(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images.npy")
    results: dict[str, dict[str, bytes]] = {}
    scores: dict[str, list[float]] = {}
    for name, seed in (("true", None), ("permuted", 1)):
        labels = str(write_labels(tmp_path / f"{name}.csv", seed))
        config = tiny_gcc(images, data__labels=labels)
        out = run(config, tmp_path / name)
        for method in ("self-label", "ruc"):
            run(tiny_on_a_run(config, method), out / method)
        results[name] = contents(out)
        folders = [out, out / "self-label", out / "ruc"]
        metrics = [RunArtefacts(folder).read_metrics() for folder in folders]
        scores[name] = [each["heads"]["kmeans_features"]["nmi"] for each in metrics]
    assert results["true"].keys() == results["permuted"].keys()
    weights = [name for name in results["true"] if name.endswith(".safetensors")]
    assert len(weights) == 4  # GCC's networks too
    differing = {
        file for file in results["true"] if results["true"][file] != results["permuted"][file]
    }
    assert {Path(file).name for file in differing} <= NOT_COMPARED
    assert all(a != b for a, b in zip(scores["true"], scores["permuted"], strict=True))


def test_evaluating_with_labels_changes_the_metrics_alone(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images.npy")
    labels = write_labels(tmp_path / "labels.csv")
    out = run(tiny_config(images), tmp_path / "run")
    before = contents(out)
    run_stage("evaluate", out, labels=str(labels))
    after = contents(out)
    differing = {file for file in before | after if before.get(file) != after.get(file)}
    # The run's own record names the labels and the time of the evaluation.
    assert differing == NOT_COMPARED


def test_folder_names_stay_out_too(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images.npy")
    out = run(tiny_config(images), tmp_path / "run")
    config = (out / "config.yaml").read_text(encoding="utf-8")
    assert "labels: null" in config
    _, metadata = RunArtefacts(out).read_model("pretrain")
    assert metadata["config"]["data"]["labels"] is None
    assert metadata["config"]["data"]["labels_from_folders"] is False
