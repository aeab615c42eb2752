import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.pipeline import run, run_stage
from iciclegcn.progress import SilentReporter
from iciclegcn.run_folder.artefacts import RunArtefacts
from tests.tiny_run import NUM_IMAGES, tiny_config, write_images, write_labels

STAGES = ["data", "pretrain", "embed", "graph", "cluster", "evaluate"]


class Recorder(SilentReporter):
    """Remembers what was done now, what was done before, and the warnings."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.before: list[str] = []
        self.warnings: list[str] = []

    def end(self, stage: str, seconds: float | None) -> None:
        (self.before if seconds is None else self.done).append(stage)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images.npy")


@pytest.fixture
def config(images: Path) -> Config:
    return tiny_config(images)


def test_a_run_leaves_every_result(config: Config, tmp_path: Path) -> None:
    recorder = Recorder()
    out = run(config, tmp_path / "run", reporter=recorder)
    assert recorder.done == [*STAGES, "report"]
    assignments = RunArtefacts(out).read_assignments()
    assert assignments.paths == [str(index) for index in range(NUM_IMAGES)]
    assert set(assignments.clusters) <= set(range(4))
    features = np.load(out / "features.npy")
    assert features.shape == (NUM_IMAGES, 16)
    assert features.dtype == np.float32
    neighbors = np.load(out / "neighbors.npz")
    assert neighbors["indices"].shape == (NUM_IMAGES, 3)
    soft = RunArtefacts(out).read_arrays("assignments_soft")
    assert soft.keys() == {"stream_0", "stream_1", "q", "code", "output"}
    np.testing.assert_allclose(soft["output"], (soft["stream_0"] + soft["stream_1"]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(soft["output"].argmax(axis=1), assignments.clusters)
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert sum(metrics["cluster_sizes"]) == NUM_IMAGES
    assert metrics["heads"] is None


def test_the_history_holds_every_step_and_term(config: Config, tmp_path: Path) -> None:
    out = run(config, tmp_path / "run")
    lines = (out / "history.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    steps = [(row["stage"], row["step"]) for row in rows]
    assert steps == [("pretrain", step) for step in range(6)] + [
        ("cluster", iteration) for iteration in range(4)
    ]
    assert {"loss", "instance", "cluster", "reconstruction"} <= rows[0].keys()
    assert {"loss", "kl_code", "kl_stream_0", "kl_stream_1"} <= rows[-1].keys()


def test_the_same_call_again_repeats_nothing(config: Config, tmp_path: Path) -> None:
    out = run(config, tmp_path / "run")
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.*") if file.name != ".lock"}
    recorder = Recorder()
    run(config, out, reporter=recorder)
    assert recorder.done == []
    assert recorder.before == STAGES[1:]
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_stages_one_by_one_give_the_result_of_one_run(config: Config, tmp_path: Path) -> None:
    whole = run(config, tmp_path / "whole")
    parts = run(config, tmp_path / "parts", until="pretrain")
    assert not (parts / "features.npy").exists()
    for stage in STAGES[2:]:
        run_stage(stage, parts)
    for name in ("assignments.csv", "features.npy", "history.jsonl", "metrics.json"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("stage", "command"),
    [
        ("embed", "iciclegcn pretrain ... --out"),
        ("graph", "iciclegcn pretrain ... --out"),
        ("evaluate", "iciclegcn pretrain ... --out"),
    ],
)
def test_a_stage_names_the_command_to_run_first(
    stage: str, command: str, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(UserError):
        run(tiny_config(Path(config.data.source), num_clusters=500), tmp_path / "run")
    with pytest.raises(UserError, match=command):
        run_stage(stage, tmp_path / "run")


def test_the_clusters_need_the_graph(config: Config, tmp_path: Path) -> None:
    out = run(config, tmp_path / "run", until="embed")
    with pytest.raises(UserError, match=f"run 'iciclegcn graph --out {out}' first"):
        run_stage("cluster", out)


def test_a_stage_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        run_stage("embed", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_data_that_does_not_fit_is_told_and_leaves_the_folder_free(
    images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(UserError, match=r"at most the number of images, 120 .*got 121"):
        run(tiny_config(images, num_clusters=121), out)
    with pytest.raises(UserError, match=r"'graph.k' must be below .*got 1,120"):
        run(tiny_config(images, graph__k=(1, 120)), out)
    run(tiny_config(images), out, until="data")


def test_missing_data_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'digits'"):
        run(tiny_config(Path("digist")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_number_of_clusters_must_be_known(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give it with --num-clusters"):
        run(tiny_config(images, num_clusters=None), tmp_path / "run")


def test_labels_that_cannot_work_are_told_before_training(images: Path, tmp_path: Path) -> None:
    for changes in ({"data__labels": "none.csv"}, {"data__labels_from_folders": True}):
        with pytest.raises(UserError, match="--labels"):
            run(tiny_config(images, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_changed_images_are_refused_once_training_has_begun(
    images: Path, config: Config, tmp_path: Path
) -> None:
    out = run(config, tmp_path / "run", until="pretrain")
    write_images(images, count=NUM_IMAGES - 1)
    with pytest.raises(UserError, match=r"have changed .*120 images then, 119 now"):
        run(config, out)
    with pytest.raises(UserError, match="have changed"):
        run_stage("embed", out)


def test_unreadable_files_are_skipped_and_listed(tmp_path: Path) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    folder = tmp_path / "photos"
    folder.mkdir()
    for index, image in enumerate(load_digits().images[:20]):
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / f"{index:02}.png")
    (folder / "05.png").write_bytes(b"no image")
    recorder = Recorder()
    config = tiny_config(folder, data__channels=1, data__cache_size=8, pretrain__batch_size=8)
    out = run(config, tmp_path / "run", reporter=recorder)
    assert "1 unreadable files are skipped" in recorder.warnings[0]
    assert "05.png" in (out / "skipped.csv").read_text(encoding="utf-8")
    paths = RunArtefacts(out).read_assignments().paths
    assert len(paths) == 19
    assert not any("05.png" in path for path in paths)


def test_new_labels_only_repeat_the_evaluation(
    images: Path, config: Config, tmp_path: Path
) -> None:
    out = run(config, tmp_path / "run")
    assignments = (out / "assignments.csv").read_bytes()
    labels = write_labels(tmp_path / "labels.csv")
    recorder = Recorder()
    run(tiny_config(images, data__labels=str(labels)), out, reporter=recorder)
    assert recorder.done == ["evaluate", "report"]
    assert (out / "assignments.csv").read_bytes() == assignments
    metrics = RunArtefacts(out).read_metrics()
    assert metrics["heads"]["output"]["acc"] > 0


def test_labels_that_do_not_fit_leave_the_label_free_figures(images: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\n0,a\n", encoding="utf-8")
    out = tmp_path / "run"
    config = tiny_config(images, data__labels=str(labels))
    with pytest.raises(UserError, match="have no label"):
        run(config, out)
    assert (out / "assignments.csv").is_file()
    assert RunArtefacts(out).read_metrics()["heads"] is None
    write_labels(labels)
    recorder = Recorder()
    run(config, out, reporter=recorder)
    assert recorder.done == ["evaluate", "report"]


def test_labels_that_cannot_be_read_leave_the_figures_that_are_there(
    images: Path, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path / "labels.csv")
    out = run(tiny_config(images, data__labels=str(labels)), tmp_path / "run")
    kept = {file: (out / file).read_bytes() for file in ("metrics.json", "config.yaml")}
    (tmp_path / "short.csv").write_text("path,label\n0,a\n", encoding="utf-8")
    for wrong, told in (("lables.csv", "does not exist"), ("short.csv", "have no label")):
        with pytest.raises(UserError, match=told):
            run_stage("evaluate", out, labels=str(tmp_path / wrong))
        assert {file: (out / file).read_bytes() for file in kept} == kept
    run_stage("evaluate", out)
    assert RunArtefacts(out).read_metrics()["heads"]["output"]["acc"] > 0


def test_a_run_goes_on_from_any_folder(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = run(tiny_config(Path("images.npy")), tmp_path / "run", until="pretrain")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run_stage("embed", out)
    recorder = Recorder()
    run(tiny_config(Path("../images.npy")), out, reporter=recorder)
    assert recorder.before == ["pretrain", "embed"]
    write_labels(tmp_path / "elsewhere" / "y.csv")
    run_stage("evaluate", out, labels="y.csv")
    monkeypatch.chdir(tmp_path)
    run_stage("evaluate", out)  # with the labels that were given there
    assert RunArtefacts(out).read_metrics()["heads"]["output"]["acc"] > 0
    assert "source: images.npy" in (out / "config.yaml").read_text(encoding="utf-8")


def test_labels_of_the_same_words_in_another_folder_are_others(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    write_labels(tmp_path / "y.csv")
    write_labels(tmp_path / "elsewhere" / "y.csv", seed=0)
    config = tiny_config(images, data__labels="y.csv")
    monkeypatch.chdir(tmp_path)
    out = run(config, tmp_path / "run")
    first = RunArtefacts(out).read_metrics()["heads"]
    monkeypatch.chdir(tmp_path / "elsewhere")
    for expected in (["evaluate", "report"], []):  # once, not at every call
        recorder = Recorder()
        run(config, out, reporter=recorder)
        assert recorder.done == expected
        assert RunArtefacts(out).read_metrics()["heads"] != first
    recorder = Recorder()
    run(tiny_config(images, data__labels="../elsewhere/y.csv"), out, reporter=recorder)
    assert recorder.done == []


def test_a_copy_of_a_project_speaks_of_its_own_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    write_images(project / "images.npy")
    write_labels(project / "y.csv")
    monkeypatch.chdir(project)
    run(tiny_config(Path("images.npy"), data__labels="y.csv"), Path("runs/first"))
    shutil.copytree(project, tmp_path / "copy")
    write_labels(tmp_path / "copy" / "y.csv", seed=0)
    monkeypatch.chdir(tmp_path)
    figures = [
        RunArtefacts(run_stage("evaluate", Path(name) / "runs" / "first")).read_metrics()["heads"]
        for name in ("project", "copy")
    ]
    assert figures[0] != figures[1]


def test_importing_the_pipeline_loads_no_torch() -> None:
    code = "import sys, iciclegcn.pipeline; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    finished = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert finished.returncode == 0


def test_leaving_images_unassigned_repeats_no_training(images: Path, tmp_path: Path) -> None:
    out = run(tiny_config(images), tmp_path / "run")
    kept = {name: (out / name).read_bytes() for name in ("history.jsonl", "assignments_soft.npz")}
    every = RunArtefacts(out).read_assignments().clusters
    run(tiny_config(images, abstain=0.25), out)
    left_out = RunArtefacts(out).read_assignments().clusters == -1
    assert left_out.sum() == round(0.25 * len(every))
    assert RunArtefacts(out).read_metrics()["abstained"] == left_out.sum()
    np.testing.assert_array_equal(RunArtefacts(out).read_every_cluster(), every)
    run_stage("cluster", out, abstain="0.1")
    assert (RunArtefacts(out).read_assignments().clusters == -1).sum() == round(0.1 * len(every))
    run_stage("evaluate", out, abstain=0)
    np.testing.assert_array_equal(RunArtefacts(out).read_assignments().clusters, every)
    assert RunArtefacts(out).read_metrics()["abstained"] == 0
    assert {name: (out / name).read_bytes() for name in kept} == kept
