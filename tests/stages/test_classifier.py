"""GCC, self-labelling and RUC through the pipeline, each beginning with the run before it."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from iciclegcn.config.values import build_config
from iciclegcn.errors import UserError
from iciclegcn.methods.classifiers import classify
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.classifier import ClassifierEnsemble
from iciclegcn.pipeline import run, run_stage
from iciclegcn.progress import SilentReporter
from iciclegcn.results.networks import read_classifier
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.folder import read_config
from iciclegcn.run_folder.manifest import STAGES
from iciclegcn.runtime import Runtime
from tests.tiny_run import (
    NUM_IMAGES,
    tiny_config,
    tiny_gcc,
    tiny_on_a_run,
    write_images,
    write_labels,
)


class Recorder(SilentReporter):
    def __init__(self) -> None:
        self.done: list[str] = []

    def end(self, stage: str, seconds: float | None) -> None:
        if seconds is not None:
            self.done.append(stage)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture(autouse=True)
def cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICICLEGCN_CACHE", str(place / "cache"))


@pytest.fixture
def images(place: Path) -> Path:
    file = place / "images.npy"
    return file if file.exists() else write_images(file)


@pytest.fixture
def chain(place: Path, images: Path) -> Path:
    """A GCC run, self-labelling inside it, and RUC inside that; made once."""
    out = place / "gcc"
    if not out.exists():
        labels = str(write_labels(place / "labels.csv"))
        config = tiny_gcc(images, data__labels=labels)
        run(config, out)
        taught = tiny_on_a_run(config, "self-label")
        run(taught, out / "self-label")
        run(tiny_on_a_run(taught, "ruc"), out / "self-label" / "ruc")
    return out


@pytest.fixture
def copy(chain: Path, tmp_path: Path) -> Path:
    """A copy of the chain to meddle with."""
    return Path(shutil.copytree(chain, tmp_path / "gcc"))


FOLDERS = {"gcc": ".", "self-label": "self-label", "ruc": "self-label/ruc"}


@pytest.mark.parametrize("method", FOLDERS)
def test_every_method_leaves_the_same_results(method: str, chain: Path, images: Path) -> None:
    out = chain / FOLDERS[method]
    artefacts, config = RunArtefacts(out), read_config(out)
    assert config.method == method
    assert all(artefacts.exist(stage) for stage in STAGES[method])
    soft = artefacts.read_arrays("assignments_soft")
    assert soft["output"].shape == (NUM_IMAGES, 4)
    np.testing.assert_allclose(soft["output"].sum(axis=1), 1, rtol=1e-5)
    assignments = artefacts.read_assignments()
    np.testing.assert_array_equal(assignments.clusters, soft["output"].argmax(axis=1))
    assert assignments.paths == [str(index) for index in range(NUM_IMAGES)]
    width = 32 if method == "ruc" else 16
    assert artefacts.read_array("features").shape == (NUM_IMAGES, width)
    metrics = artefacts.read_metrics()
    assert metrics["method"] == method
    assert 0 <= metrics["calibration"]["output"]["ece"] <= 1
    assert 0 < metrics["neighbor_purity"] < 1
    assert metrics["stream_agreement"] is metrics["robustness"] is None


def test_all_methods_figures_have_the_same_names(chain: Path, images: Path, place: Path) -> None:
    icicle = run(tiny_config(images), place / "icicle")
    names = RunArtefacts(icicle).read_metrics().keys()
    for folder in FOLDERS.values():
        assert RunArtefacts(chain / folder).read_metrics().keys() == names


def test_the_answer_is_the_softmax_of_the_networks_joint_logits(chain: Path, images: Path) -> None:
    out = chain / FOLDERS["ruc"]
    artefacts, config = RunArtefacts(out), read_config(out)
    model = read_classifier(artefacts, config)
    assert isinstance(model, ClassifierEnsemble)
    pixels = np.load(images)[:, None]
    runtime = Runtime.create(0, "cpu", "fp32")
    logits = classify(pixels, model, config, runtime, NullMonitor()).logits
    assert logits.shape == (NUM_IMAGES, 2, 4)
    soft = artefacts.read_arrays("assignments_soft")
    for name, expected in (
        ("output", logits.sum(axis=1) / np.sqrt(2).astype(np.float32)),
        ("network_0", logits[:, 0]),
        ("network_1", logits[:, 1]),
    ):
        np.testing.assert_allclose(
            soft[name], torch.softmax(torch.from_numpy(expected), dim=1), atol=1e-6
        )


def test_figures_before_and_after_stand_side_by_side(chain: Path) -> None:
    before = RunArtefacts(chain / "self-label").read_metrics()
    after = RunArtefacts(chain / "self-label" / "ruc").read_metrics()
    assert after["heads"]["base"] == before["heads"]["output"]
    assert after["calibration"]["base"] == before["calibration"]["output"]
    assert before["heads"].keys() == {"output", "base", "kmeans_features"}
    assert after["heads"].keys() >= {"network_0", "network_1"}


def test_a_base_is_only_read(chain: Path, tmp_path: Path) -> None:
    base = chain / "self-label"
    files = [file for file in base.iterdir() if file.is_file()]
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files}
    config = tiny_on_a_run(read_config(base), "ruc", str(base), ruc__co_training=False)
    out = run(config, tmp_path / "elsewhere")
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in files} == before
    assert RunArtefacts(out).read_array("features").shape == (NUM_IMAGES, 16)


@pytest.mark.parametrize("method", ["self-label", "ruc"])
def test_a_run_of_icicle_can_be_taken_further(method: str, images: Path, place: Path) -> None:
    base = run(tiny_config(images), place / "icicle")
    config = tiny_on_a_run(read_config(base), method, str(base))
    out = run(config, place / f"{method}_of_icicle")
    state = load_file(out / "checkpoints" / "classifier.safetensors")
    head = "head.layers.2.weight" if method == "self-label" else "networks.0.head.weight"
    assert state[head].shape == (4, 16)
    assert set(RunArtefacts(out).read_assignments().clusters) <= set(range(4))


def test_the_same_call_again_repeats_nothing(chain: Path) -> None:
    recorder = Recorder()
    for folder in FOLDERS.values():
        run(read_config(chain / folder), chain / folder, reporter=recorder)
    assert recorder.done == []


def test_both_runs_may_move_together(copy: Path) -> None:
    out = copy / "self-label"
    (out / "assignments.csv").unlink()
    recorder = Recorder()
    run(read_config(out), out, reporter=recorder)
    assert recorder.done == ["assign", "graph", "evaluate", "report"]


def test_stages_have_commands_of_their_own(copy: Path) -> None:
    before = (copy / "assignments.csv").read_bytes()
    (copy / "features.npy").unlink()
    with pytest.raises(UserError, match=f"run 'iciclegcn assign --out {copy}' first"):
        run_stage("graph", copy)
    for stage in ("assign", "graph", "evaluate"):
        run_stage(stage, copy)
    assert (copy / "assignments.csv").read_bytes() == before
    with pytest.raises(UserError, match="'cluster' is no stage of gcc"):
        run_stage("cluster", copy)
    (copy / "checkpoints" / "classifier.safetensors").unlink()
    with pytest.raises(UserError, match="needs the classifier"):
        run_stage("assign", copy)


def test_changed_clusters_of_the_base_are_refused_once_training_has_begun(copy: Path) -> None:
    out = copy / "self-label"
    (out / "features.npy").unlink()
    soft = RunArtefacts(copy).read_arrays("assignments_soft")
    RunArtefacts(copy).write_arrays("assignments_soft", {"output": soft["output"][:, ::-1]})
    with pytest.raises(UserError, match=r"the clusters of .* have changed since the run"):
        run(read_config(out), out)


def test_changed_images_are_refused(copy: Path, tmp_path: Path) -> None:
    file = write_images(tmp_path / "images.npy")
    base = run(tiny_gcc(file), tmp_path / "base")
    write_images(file, NUM_IMAGES - 1)
    config = tiny_on_a_run(read_config(base), "self-label")
    with pytest.raises(UserError, match=f"have changed since the run in '{base}' was made"):
        run(config, base / "self-label")


def test_an_unfinished_base_is_told_with_the_command(images: Path, tmp_path: Path) -> None:
    config = tiny_gcc(images)
    base = run(config, tmp_path / "base", until="data")
    with pytest.raises(UserError, match=r"is unfinished .*: iciclegcn run --config .* --out"):
        run(tiny_on_a_run(config, "ruc"), base / "ruc")
    assert not (base / "ruc").exists()


def test_weights_of_another_shape_are_told(copy: Path) -> None:
    file = copy / "checkpoints" / "classifier.safetensors"
    state = load_file(file)
    config = build_config(read_config(copy), {"backbone.width": 32})
    with pytest.raises(UserError, match="does not fit the run's configuration"):
        read_classifier(RunArtefacts(copy), config)
    save_file(state, file)  # without what the run knows of it
    with pytest.raises(UserError, match="is absent or damaged"):
        read_classifier(RunArtefacts(copy), config)


def test_gccs_empty_clusters_are_told_when_clusters_are_named(copy: Path) -> None:
    class Listener(SilentReporter):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def warn(self, message: str) -> None:
            self.heard.append(message)

    file = copy / "checkpoints" / "classifier.safetensors"
    with safe_open(file, framework="pt") as content:
        metadata = content.metadata()
    state = load_file(file)
    state["head.bias"][1] = -1e4  # no image is ever in cluster 1
    save_file(state, file, metadata)
    (copy / "assignments.csv").unlink()
    listener = Listener()
    run_stage("assign", copy, reporter=listener)
    assert 1 not in RunArtefacts(copy).read_assignments().clusters
    assert any("of 4 clusters" in text and "empty" in text for text in listener.heard)


def test_more_images_train_and_are_not_clustered(images: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra.npy"
    np.save(extra, np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8))
    config = tiny_gcc(images, gcc__extra_source=str(extra))
    plain = dataclasses.replace(config, gcc=dataclasses.replace(config.gcc, extra_source=None))
    runs = [run(one, tmp_path / name) for one, name in ((config, "more"), (plain, "plain"))]
    rows = [RunArtefacts(out).read_array("features") for out in runs]
    assert rows[0].shape == rows[1].shape == (NUM_IMAGES, 16)
    assert not np.array_equal(rows[0], rows[1])
    missing = tiny_gcc(images, gcc__extra_source="none.npy")
    with pytest.raises(UserError, match=r"'none\.npy' is neither a path"):
        run(missing, tmp_path / "missing")


def test_accuracy_under_attack_is_measured_on_request(copy: Path) -> None:
    run_stage("evaluate", copy, robustness=True)
    figures = RunArtefacts(copy).read_metrics()["robustness"]
    assert figures.keys() == {"fgsm", "bim"}
    clean = RunArtefacts(copy).read_metrics()["heads"]["output"]["acc"]
    assert figures["fgsm"]["clean"] == pytest.approx(clean)
    assert figures["bim"]["num_images"] == NUM_IMAGES
    run_stage("evaluate", copy)
    assert RunArtefacts(copy).read_metrics()["robustness"] is None


def test_attacks_need_labels(images: Path, place: Path) -> None:
    out = run(tiny_config(images), place / "icicle")
    with pytest.raises(UserError, match="give the truth with --labels"):
        run_stage("evaluate", out, robustness=True)
