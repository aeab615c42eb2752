import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.errors import UserError
from iciclegcn.progress import SilentReporter
from iciclegcn.run_folder.artefacts import ARTEFACTS
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.manifest import PENDING, RUNNING

CONFIG = Config(num_clusters=3, seed=1)


def changed(**values: object) -> Config:
    return build_config(CONFIG, {name.replace("__", "."): v for name, v in values.items()})


def finish(folder: RunFolder, *stages: str) -> None:
    for stage in stages:
        with folder.stage(stage, SilentReporter()):
            for name in ARTEFACTS[stage]:
                (folder.path / name).parent.mkdir(exist_ok=True)
                (folder.path / name).write_bytes(b"x")


def begin(path: Path, *stages: str) -> None:
    with RunFolder.create(path, CONFIG) as folder:
        finish(folder, *stages)


class Interrupted(Exception):
    pass


def interrupt(path: Path, stage: str, body: Callable[..., None] = lambda monitor: None) -> None:
    with (
        contextlib.suppress(Interrupted),
        RunFolder.create(path, CONFIG) as folder,
        folder.stage(stage, SilentReporter()) as monitor,
    ):
        body(monitor)
        raise Interrupted


def test_a_new_folder_holds_the_configuration(tmp_path: Path) -> None:
    begin(tmp_path / "a" / "run")
    with RunFolder.open(tmp_path / "a" / "run") as folder:
        assert folder.config == CONFIG
        assert not folder.is_done("data")


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    begin(tmp_path)
    assert (tmp_path / "manifest.json").is_file()


def test_finished_stages_stay_finished(tmp_path: Path) -> None:
    begin(tmp_path, "data", "pretrain")
    with RunFolder.create(tmp_path, CONFIG) as folder:
        assert folder.is_done("pretrain")
        assert not folder.is_done("embed")
        assert folder.manifest.stage("pretrain")["seconds"] >= 0


def test_an_interrupted_stage_is_not_finished(tmp_path: Path) -> None:
    interrupt(tmp_path, "pretrain")
    with RunFolder.create(tmp_path, CONFIG) as folder:
        assert folder.manifest.state("pretrain") == RUNNING
        assert not folder.is_done("pretrain")


def test_a_stage_without_its_result_is_done_again_and_voids_the_later(tmp_path: Path) -> None:
    begin(tmp_path, "data", "pretrain", "embed", "graph", "cluster")
    (tmp_path / "features.npy").unlink()
    with RunFolder.create(tmp_path, CONFIG) as folder:
        assert not folder.is_done("embed")
        assert folder.is_done("cluster")
        finish(folder, "embed")
        assert folder.is_done("pretrain")
        assert not folder.is_done("graph")
        assert folder.manifest.state("cluster") == PENDING


def test_rows_of_a_stage_done_again_are_written_once(tmp_path: Path) -> None:
    for _ in range(2):
        with RunFolder.create(tmp_path, CONFIG) as folder:
            for stage in ("data", "pretrain"):
                with folder.stage(stage, SilentReporter()) as monitor:
                    monitor.log(0, loss=1.0)
                    monitor.save({})
        assert len((tmp_path / "history.jsonl").read_bytes().splitlines()) in (2, 3)
    rows = (tmp_path / "history.jsonl").read_text(encoding="utf-8")
    assert rows.count("pretrain") == 1


def test_the_state_of_a_finished_stage_is_removed(tmp_path: Path) -> None:
    interrupt(tmp_path, "pretrain", lambda monitor: monitor.save({"epoch": 1}))
    assert (tmp_path / "checkpoints" / "pretrain.pt").is_file()
    begin(tmp_path, "pretrain")
    assert not (tmp_path / "checkpoints" / "pretrain.pt").exists()


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    begin(tmp_path, "data", "pretrain")
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(UserError) as caught:
        RunFolder.create(tmp_path, changed(seed=2, pretrain__epochs=7, graph__k=(1, 5)))
    message = str(caught.value)
    assert "seed: 1 -> 2" in message
    assert "pretrain.epochs: 1000 -> 7" in message
    assert "graph.k: [1, 10] -> [1, 5]" in message
    assert "\n" not in message
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_a_refused_folder_is_unlocked(tmp_path: Path) -> None:
    begin(tmp_path, "data", "pretrain")
    with pytest.raises(UserError):
        RunFolder.create(tmp_path, changed(seed=2))
    begin(tmp_path)


def test_before_training_the_configuration_may_change(tmp_path: Path) -> None:
    begin(tmp_path, "data")
    with RunFolder.create(tmp_path, changed(seed=2)) as folder:
        assert folder.config.seed == 2
        assert not folder.is_done("data")
    with RunFolder.open(tmp_path) as folder:
        assert folder.config.seed == 2


def test_where_the_truth_comes_from_may_change(tmp_path: Path) -> None:
    begin(tmp_path, "data", "pretrain", "embed", "graph", "cluster", "evaluate")
    with RunFolder.create(tmp_path, changed(data__labels="y.csv")) as folder:
        assert folder.is_done("cluster")
        assert not folder.is_done("evaluate")
    with RunFolder.open(tmp_path) as folder:
        assert folder.config.data.labels == "y.csv"


@pytest.mark.parametrize("name", ["photo.jpg", "config.yaml", "checkpoints/x"])
def test_folders_of_others_are_never_touched(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="holds other files and no run; give another --out"):
        RunFolder.create(tmp_path, CONFIG)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files == [tmp_path / name]


def test_somebody_elses_manifest_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "app"}', encoding="utf-8")
    with pytest.raises(UserError, match="no manifest of a run"):
        RunFolder.create(tmp_path, CONFIG)
    assert (tmp_path / "manifest.json").read_text(encoding="utf-8") == '{"name": "app"}'


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UserError, match="is a file; give a folder"):
        RunFolder.create(tmp_path / "a", CONFIG)
    with pytest.raises(UserError, match="cannot make"):
        RunFolder.create(tmp_path / "a" / "b", CONFIG)


@pytest.mark.parametrize("text", ["", "seed: [", "seed: x", "- 1", "colour: red"])
def test_a_damaged_configuration_is_told(text: str, tmp_path: Path) -> None:
    begin(tmp_path, "data", "pretrain")
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        RunFolder.create(tmp_path, CONFIG)
    assert "\n" not in str(caught.value)
    assert "config.yaml" in str(caught.value) or "'seed'" in str(caught.value)
    with pytest.raises(UserError):
        RunFolder.open(tmp_path)


def test_a_process_killed_while_making_the_folder_leaves_it_usable(tmp_path: Path) -> None:
    begin(tmp_path)
    (tmp_path / "config.yaml").unlink()
    begin(tmp_path, "data")
    with RunFolder.open(tmp_path) as folder:
        assert folder.config == CONFIG


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, CONFIG):
        with pytest.raises(UserError, match="another process"):
            RunFolder.create(tmp_path, CONFIG)
        with pytest.raises(UserError, match="another process"):
            RunFolder.open(tmp_path)
    with RunFolder.open(tmp_path):
        pass


def test_only_a_run_can_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        RunFolder.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_images_are_refused_once_training_has_begun(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, CONFIG) as folder:
        folder.set_data("aa", (3, 1, 8, 8), 0)
        folder.set_data("bb", (4, 1, 8, 8), 1)
        assert folder.manifest.data == {
            "hash": "bb",
            "num_images": 4,
            "shape": (4, 1, 8, 8),
            "skipped": 1,
        }
        finish(folder, "data", "pretrain")
        folder.set_data("bb", (4, 1, 8, 8), 1)
        with pytest.raises(UserError, match=r"have changed .*4 images then, 5 now"):
            folder.set_data("cc", (5, 1, 8, 8), 0)


class Recorder(SilentReporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def test_going_on_with_another_precision_is_told(tmp_path: Path) -> None:
    reporter = Recorder()
    with RunFolder.create(tmp_path, CONFIG) as folder:
        with (
            contextlib.suppress(Interrupted),
            folder.stage("pretrain", reporter, {"precision": "bf16", "threads": 2}) as monitor,
        ):
            monitor.save({})
            raise Interrupted
        with folder.stage("pretrain", reporter, {"precision": "fp32", "threads": 2}):
            pass
    assert len(reporter.warnings) == 1
    assert "precision bf16 -> fp32" in reporter.warnings[0]
    assert "threads" not in reporter.warnings[0]


def test_changed_versions_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(tmp_path)
    with RunFolder.open(tmp_path) as folder:
        assert folder.changed_versions() == []
        versions = folder.manifest.versions | {"numpy": "9.9"}
        monkeypatch.setattr("iciclegcn.run_folder.folder.installed_versions", lambda: versions)
        assert folder.changed_versions() == [f"numpy {np.__version__} -> 9.9"]


def test_every_field_counts_as_configuration(tmp_path: Path) -> None:
    begin(tmp_path, "data", "pretrain")
    other = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, strict=True))
    with pytest.raises(UserError, match=r"data\.strict: False -> True"):
        RunFolder.create(tmp_path, other)


def test_images_may_be_left_unassigned_when_all_is_done(tmp_path: Path) -> None:
    stages = ("data", "pretrain", "embed", "graph", "cluster", "evaluate")
    begin(tmp_path, *stages)
    soft = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    with RunFolder.open(tmp_path) as folder:
        folder.artefacts.write_listing(list("abc"), np.arange(3, dtype=np.int64), [])
        folder.artefacts.write_arrays("assignments_soft", {"output": soft})
    with RunFolder.create(tmp_path, changed(abstain=0.3)) as folder:
        assert folder.config.abstain == 0.3
        assert folder.artefacts.read_assignments().clusters.tolist() == [0, -1, 1]
        assert folder.is_done("cluster")
        assert not folder.is_done("evaluate")
    with RunFolder.open(tmp_path) as folder:
        folder.set_abstain("0.7")
        assert folder.artefacts.read_assignments().clusters.tolist() == [0, -1, -1]
        with pytest.raises(UserError, match="'abstain' must be in"):
            folder.set_abstain("1")
        assert folder.config.abstain == 0.7
    with RunFolder.open(tmp_path) as folder:
        assert folder.config.abstain == 0.7


def test_a_share_given_before_clusters_are_named_waits_for_them(tmp_path: Path) -> None:
    begin(tmp_path, "data", "pretrain")
    with RunFolder.open(tmp_path) as folder:
        folder.set_abstain(0.25)
        assert not (tmp_path / "assignments.csv").exists()
        assert folder.is_done("pretrain")
