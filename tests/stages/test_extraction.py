import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iciclegcn.config import BackboneConfig, Config
from iciclegcn.data.views import evaluation_view
from iciclegcn.errors import UserError
from iciclegcn.methods import extraction as extraction_method
from iciclegcn.nn.pretrained.loading import load_backbone
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.pipeline import run, run_stage
from iciclegcn.results.summary import summarize
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.backbone import feature_precision, frozen_backbone
from iciclegcn.run_folder.monitor import RunMonitor
from iciclegcn.stages import extraction
from tests.tiny_networks import write_torchscript
from tests.tiny_run import NUM_IMAGES, tiny_config, write_images


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    write_images(folder / "images.npy")
    write_torchscript(folder / "net.pt")
    return folder


def config_in(place: Path, **changes: object) -> Config:
    own = {"backbone__name": str(place / "net.pt"), "backbone__image_size": 8}
    return tiny_config(place / "images.npy", **own, **changes)


@pytest.fixture(scope="module")
def finished(place: Path) -> Path:
    return run(config_in(place), place / "run")


def test_features_are_the_networks_of_every_image(place: Path, finished: Path) -> None:
    artefacts = RunArtefacts(finished)
    images = torch.from_numpy(np.load(place / "images.npy"))[:, None]
    network = load_backbone(config_in(place).backbone)
    with torch.inference_mode():
        expected = network(evaluation_view(images, 8)).numpy()
    found = artefacts.read_array("features")
    assert found.shape == (NUM_IMAGES, 4)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not (finished / "checkpoints" / "extract.npy").exists()


def test_the_run_ends_with_clusters_and_says_where_features_come_from(finished: Path) -> None:
    artefacts = RunArtefacts(finished)
    assert len(artefacts.read_assignments().clusters) == NUM_IMAGES
    told = artefacts.read_metrics()["backbone"]
    assert told["frozen"] is True
    assert told["trained_on"] == "weights of net.pt, whose training is not known"
    assert "net.pt, frozen," in " ".join(summarize(artefacts).split())


def test_features_are_scaled_as_later_images_will_be(place: Path) -> None:
    config = config_in(place, data__scaling="unit")
    out = run(config, place / "scaled", until="extract")
    found = RunArtefacts(out).read_array("features")
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    assert np.square(found).mean() == pytest.approx(1, abs=1e-4)
    images = torch.from_numpy(np.load(place / "images.npy"))[:5, None]
    with torch.inference_mode():
        again = frozen_backbone(out, config)(evaluation_view(images, 8)).numpy()
    np.testing.assert_allclose(again, found[:5], atol=1e-5)


@pytest.mark.parametrize("same", [True, False])
def test_features_that_less_precision_would_change_are_float32(
    same: bool, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(config: BackboneConfig) -> PretrainedNetwork:
        network = load_backbone(config)
        network.full_precision = False  # as networks are that come in no file
        return network

    config = config_in(place, precision="bf16")
    monkeypatch.setattr(extraction, "load_backbone", load)
    monkeypatch.setattr(extraction, "agrees", lambda *_: same)
    out = run(config, tmp_path / "run", until="extract")
    assert feature_precision(out) == ("bf16" if same else "fp32")
    assert frozen_backbone(out, config).full_precision is not same


def test_features_that_were_not_tried_in_less_precision_stay_float32(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(config: BackboneConfig) -> PretrainedNetwork:
        network = load_backbone(config)
        network.full_precision = False
        return network

    config = config_in(place, precision="fp32")
    monkeypatch.setattr(extraction, "load_backbone", load)
    out = run(config, tmp_path / "run", until="extract")
    assert feature_precision(out) == "fp32"
    assert frozen_backbone(out, config).full_precision is True


def test_features_that_are_not_finite_are_told(place: Path) -> None:
    class Odd(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            x = images.mean(dim=[2, 3])
            return x.log() if x.size(0) > 1 else x  # of negative means, among several images

    write_torchscript(place / "odd.pt", Odd())
    config = tiny_config(
        place / "images.npy", backbone__name=str(place / "odd.pt"), backbone__image_size=8
    )
    with pytest.raises(UserError, match=r"odd.pt gives features that are not finite, first for"):
        run(config, place / "odd", until="extract")


def test_an_interrupted_extraction_gives_the_same_features(
    place: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = config_in(place), place / "interrupted"
    saved = RunMonitor.save

    def save_and_stop(self: RunMonitor, state: dict[str, object]) -> None:
        saved(self, state)
        if state["rows"]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(extraction_method, "SAVE_INTERVAL", -1.0)
        patch.setattr(RunMonitor, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run(config, out, until="extract")
    assert (out / "checkpoints" / "extract.npy").is_file()
    assert not (out / "features.npy").exists()
    run(config, out, until="extract")
    expected = (finished / "features.npy").read_bytes()
    assert (out / "features.npy").read_bytes() == expected


def test_rows_are_kept_until_the_stage_is_done(
    place: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = config_in(place), place / "killed"
    shown: list[int] = []
    progress, finish = RunMonitor.progress, RunMonitor.finish

    def stop(self: RunMonitor) -> float:
        if (out / "features.npy").exists():  # all is written, and the manifest does not tell yet
            raise KeyboardInterrupt
        return finish(self)

    def spy(self: RunMonitor, done: int, total: int, **options: Any) -> None:
        shown.append(done)
        progress(self, done, total, **options)

    monkeypatch.setattr(extraction_method, "SAVE_INTERVAL", -1.0)
    with monkeypatch.context() as patch:
        patch.setattr(RunMonitor, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            run(config, out, until="extract")
    assert (out / "checkpoints" / "extract.npy").is_file()
    monkeypatch.setattr(RunMonitor, "progress", spy)
    run(config, out, until="extract")
    assert shown == []
    assert (out / "features.npy").read_bytes() == (finished / "features.npy").read_bytes()
    assert not (out / "checkpoints" / "extract.npy").exists()


def test_the_stage_alone_does_the_features_again(place: Path, finished: Path) -> None:
    out = Path(shutil.copytree(finished, place / "again"))
    expected = (out / "features.npy").read_bytes()
    (out / "features.npy").unlink()
    run_stage("extract", out)
    assert (out / "features.npy").read_bytes() == expected
    assert json.loads((out / "manifest.json").read_text())["stages"]["graph"]["state"] == "pending"


def test_an_absent_network_ends_the_run_before_its_features(place: Path) -> None:
    config = tiny_config(place / "images.npy", backbone__name=str(place / "gone.pt"))
    with pytest.raises(UserError, match=r"gone.pt' is not there; give the file of a network"):
        run(config, place / "absent", until="extract")
