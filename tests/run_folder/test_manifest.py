import json
from pathlib import Path

import numpy as np
import pytest
import torch

from iciclegcn.errors import UserError
from iciclegcn.run_folder.manifest import (
    DONE,
    PENDING,
    RUNNING,
    STAGES,
    Manifest,
    installed_versions,
)


def test_a_new_manifest_has_every_stage_pending(tmp_path: Path) -> None:
    Manifest.new(tmp_path / "manifest.json", seed=5)
    manifest = Manifest(tmp_path / "manifest.json")
    assert manifest.stages == STAGES["icicle"]
    assert [manifest.state(stage) for stage in manifest.stages] == [PENDING] * 6
    assert not manifest.begun
    content = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert content["seed"] == 5
    assert content["data"] is None
    assert content["platform"]


def test_a_classifiers_manifest_has_its_own_stages(tmp_path: Path) -> None:
    Manifest.new(tmp_path / "manifest.json", seed=5, stages="ruc")
    manifest = Manifest(tmp_path / "manifest.json")
    assert manifest.stages == ("data", "train", "assign", "graph", "evaluate")
    manifest.set_stages({"data": {"state": DONE}})
    assert not manifest.begun
    manifest.set_stages({"train": {"state": RUNNING}})
    assert Manifest(tmp_path / "manifest.json").begun


def test_versions_are_those_of_the_packages() -> None:
    versions = installed_versions()
    assert versions["torch"] == torch.__version__.partition("+")[0]
    assert versions["numpy"] == np.__version__
    assert {"python", "iciclegcn", "torch-geometric"} <= versions.keys()
    assert {"faiss-cpu", "faiss-gpu"} & versions.keys()


def test_changes_are_on_the_disk_at_once(tmp_path: Path) -> None:
    manifest = Manifest.new(tmp_path / "manifest.json", seed=0)
    manifest.set_stages({"pretrain": {"state": RUNNING}, "data": {"state": DONE, "seconds": 1.5}})
    manifest.set_data({"hash": "ab", "num_images": 3})
    again = Manifest(tmp_path / "manifest.json")
    assert again.state("pretrain") == RUNNING
    assert again.stage("data") == {"state": DONE, "seconds": 1.5}
    assert again.state("embed") == PENDING
    assert again.data == {"hash": "ab", "num_images": 3}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"name": "my app", "icons": []}',
        '{"format": 1, "versions": {}, "data": null, "stages": {"data": {"state": "done"}}}',
    ],
)
def test_a_damaged_manifest_is_told_in_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"manifest\.json' is .*; give another --out"):
        Manifest(tmp_path / "manifest.json")


def test_a_state_that_does_not_exist_is_told(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    Manifest.new(file, seed=0)
    file.write_text(file.read_text(encoding="utf-8").replace("pending", "perhaps"), "utf-8")
    with pytest.raises(UserError, match="no manifest of a run"):
        Manifest(file)


def test_a_later_format_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(UserError, match="later version; upgrade iciclegcn"):
        Manifest(tmp_path / "manifest.json")
