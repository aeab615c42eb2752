"""Runs on a given matrix through the pipeline and the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.cli.main import main
from iciclegcn.errors import UserError
from iciclegcn.methods.feature_clustering import cluster_features
from iciclegcn.monitor import NullMonitor
from iciclegcn.pipeline import run, run_stage
from iciclegcn.prediction.run import Run
from iciclegcn.progress import SilentReporter
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.scaling import read_scaling
from iciclegcn.runtime import Runtime
from tests.tiny_run import (
    NUM_IMAGES,
    TINY_FEATURES,
    tiny_features,
    tiny_on_a_run,
    tiny_options,
    write_features,
    write_labels,
)

STAGES = ["data", "extract", "graph", "encode", "cluster", "evaluate"]


class Recorder(SilentReporter):
    def __init__(self) -> None:
        self.done: list[str] = []

    def end(self, stage: str, seconds: float | None) -> None:
        if seconds is not None:
            self.done.append(stage)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("given") / "x.npy")


@pytest.fixture(scope="module")
def out(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    return run(tiny_features(file), tmp_path_factory.mktemp("runs") / "run")


def test_a_run_leaves_every_result(file: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    out = run(tiny_features(file), tmp_path / "run", reporter=recorder)
    assert recorder.done == [*STAGES, "report"]
    artefacts = RunArtefacts(out)
    assert artefacts.read_assignments().paths == [str(row) for row in range(NUM_IMAGES)]
    soft = artefacts.read_arrays("assignments_soft")
    assert soft.keys() == {"stream_0", "stream_1", "q", "code", "output"}
    assert artefacts.read_array("pretrained_code").shape == (NUM_IMAGES, 4)
    assert (out / "report.html").is_file()
    metrics = artefacts.read_metrics()
    assert sum(metrics["cluster_sizes"]) == NUM_IMAGES
    rows = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [row["stage"] for row in rows] == ["encode"] * 6 + ["cluster"] * 4
    again = Recorder()
    run(tiny_features(file), out, reporter=again)
    assert again.done == []


def test_features_are_scaled_and_the_scaling_is_kept(file: Path, out: Path) -> None:
    x, given = RunArtefacts(out).read_array("features"), np.load(file)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    assert np.square(x).mean() == pytest.approx(1, rel=1e-4)
    scaled = read_scaling(RunArtefacts(out)).apply(given.astype(np.float32))
    np.testing.assert_array_equal(scaled, x)


def test_a_run_and_the_clustering_in_memory_agree(file: Path, out: Path) -> None:
    config = tiny_features(file)
    runtime = Runtime.create(config.seed, "cpu", "fp32")
    found = cluster_features(np.load(file), config, runtime, NullMonitor())
    output = RunArtefacts(out).read_arrays("assignments_soft")["output"]
    np.testing.assert_allclose(found.probabilities, output, rtol=1e-4, atol=1e-6)


def test_stages_one_by_one_give_the_result_of_one_run(
    file: Path, out: Path, tmp_path: Path
) -> None:
    parts = run(tiny_features(file), tmp_path / "parts", until="extract")
    with pytest.raises(UserError, match=r"needs the neighbours of .*iciclegcn graph --out"):
        run_stage("cluster", parts)
    for stage in STAGES[2:]:
        run_stage(stage, parts)
    for name in ("assignments.csv", "features.npy", "history.jsonl"):
        assert (parts / name).read_bytes() == (out / name).read_bytes()


def test_rows_in_shards_with_another_unit_give_the_same_clusters(
    file: Path, out: Path, tmp_path: Path
) -> None:
    x = np.load(file)
    shards = tmp_path / "shards"
    shards.mkdir()
    np.save(shards / "0.npy", 4 * x[:50] + 8)  # powers of two: the same bits once scaled
    np.savez(shards / "1.npz", x=4 * x[50:] + 8)
    other = run(tiny_features(shards), tmp_path / "run")
    clusters = RunArtefacts(other).read_assignments().clusters
    np.testing.assert_array_equal(clusters, RunArtefacts(out).read_assignments().clusters)


def test_labels_change_figures_alone(file: Path, out: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels.csv")
    labelled = run(tiny_features(file, data__labels=str(labels)), tmp_path / "run")
    for name in ("assignments.csv", "checkpoints/encoder.safetensors", "history.jsonl"):
        assert (labelled / name).read_bytes() == (out / name).read_bytes()
    assert RunArtefacts(labelled).read_metrics()["heads"]["output"]["acc"] > 0
    _, metadata = RunArtefacts(labelled).read_model("encoder")
    assert metadata["config"]["data"]["labels"] is None


def test_changed_features_are_refused(tmp_path: Path) -> None:
    file = write_features(tmp_path / "x.npy")
    out = run(tiny_features(file), tmp_path / "run", until="extract")
    write_features(file, count=NUM_IMAGES - 1)
    with pytest.raises(UserError, match=r"the rows of .*120 rows then, 119 now"):
        run(tiny_features(file), out)


def test_data_that_does_not_fit_is_told_in_terms_of_rows(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"at most the number of rows, 120 .*got 121"):
        run(tiny_features(file, num_clusters=121), tmp_path / "run")
    with pytest.raises(UserError, match="--labels-from-folders' needs image files"):
        run(tiny_features(file, data__labels_from_folders=True), tmp_path / "other")


def test_methods_that_show_images_refuse_such_a_run(file: Path, out: Path) -> None:
    with pytest.raises(UserError, match=r"'ruc' trains on images, and the run in .* on features"):
        run(tiny_on_a_run(tiny_features(file), "ruc"), out / "ruc")


def test_rows_that_come_later_are_scaled_alike(file: Path, out: Path) -> None:
    found = Run.load(out).predict(np.load(file))
    named = RunArtefacts(out).read_assignments().clusters
    assert (found.clusters == named).mean() > 0.9


def test_the_command_line_goes_from_a_file_to_figures(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["cluster", "--features", str(file), *tiny_options(TINY_FEATURES)]
    assert main(words) == 0
    output = capsys.readouterr()
    assert "run folder: runs/x-quick-0" in output.err
    assert "rows         120\n" in output.out
    labels = str(write_labels(tmp_path / "labels.csv"))
    assert main(["cluster", "--out", "runs/x-quick-0"]) == 0
    assert main(["evaluate", "--out", "runs/x-quick-0", "--labels", labels]) == 0
    assert "without GCNs" in capsys.readouterr().out
    assert main([*words, "--encode.epochs", "3"]) == 2
    assert "encode.epochs: 2 -> 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("cluster", "needs --features FILE to begin a run, or the --out DIR"),
        ("cluster --out run --seed 3", "'--seed' begins a run: give --features FILE too"),
        ("cluster --out run --print-config", "'--print-config' begins a run"),
        ("cluster --features none.npy --num-clusters 3", "'none.npy' are not there"),
        ("cluster --features x.npy", "give it with --num-clusters"),
        ("cluster --features x.npy --pretrain.epochs 3", "did you mean '--encode.epochs'"),
        ("cluster --features x.npy --encode.neighbors 11", "at most the largest 'graph.k', 10"),
        ("run x.npy --encode.epochs 3", "changes nothing where the backbone is trained"),
        ("run x.npy --data.scaling unit", "changes nothing where the backbone is trained"),
        ("run x.npy --data.kind features --views.hue 0", "changes nothing where features are"),
        ("run x.npy --data.kind features --backbone.name resnet18", "where features are given"),
        ("run x.npy --data.kind features --data.channels 1", "where features are given"),
        ("run x.npy --data.kind features --method gcc", "'--method gcc' trains on images"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    words: str,
    told: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(file.parent)
    assert main(words.split()) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert told in line
