"""Networks of finished runs, on random weights."""

import dataclasses
from pathlib import Path

import pytest
import torch

from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.methods.classifiers import ClassifierShape, build_classifier
from iciclegcn.methods.pretrain_model import PretrainModel
from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.prediction.feature_network import read_feature_network, read_mgcn
from iciclegcn.results.networks import write_classifier
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.base import BaseRun
from iciclegcn.run_folder.manifest import Manifest
from tests.tiny_run import tiny_config, tiny_gcc

VIEWS = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def bare(path: Path, config: Config) -> BaseRun:
    manifest = Manifest.new(path / "manifest.json", 0, config.stages)
    return BaseRun(path, config, manifest, RunArtefacts(path))


@torch.no_grad()
def test_stage_1_gave_the_features(tmp_path: Path) -> None:
    run = bare(tmp_path, tiny_config(tmp_path / "images.npy"))
    model = PretrainModel(run.config, 1).eval()
    run.artefacts.write_model("pretrain", model.state_dict(), {"in_channels": 1})
    network = read_feature_network(run)
    assert (network.num_features, network.training) == (16, False)
    torch.testing.assert_close(network(VIEWS), model(VIEWS))


@torch.no_grad()
@pytest.mark.parametrize("networks", [1, 2])
def test_a_classifier_gave_its_own(networks: int, tmp_path: Path) -> None:
    run = bare(tmp_path, tiny_gcc(tmp_path / "images.npy"))
    model = build_classifier(run.config, ClassifierShape(1, "linear", networks)).eval()
    write_classifier(run.artefacts, model, run.config, 1)
    network = read_feature_network(run)
    assert (network.num_features, network.training) == (16 * networks, False)
    torch.testing.assert_close(network(VIEWS), model.features(VIEWS))


def test_given_features_came_from_no_network(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "x.npy", data__kind="features")
    with pytest.raises(UserError, match="has no network for images"):
        read_feature_network(bare(tmp_path, config))


@torch.no_grad()
@pytest.mark.parametrize("shared", [False, True])
def test_the_mgcn_comes_back_without_a_draw(shared: bool, tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "images.npy", mgcn__shared_weights=shared)
    model = MGCN(AutoEncoder(9, (16, 16), 4), 2, sigma=0.5, shared_weights=shared)
    config = dataclasses.replace(config, mgcn=dataclasses.replace(config.mgcn, sigma=0.5))
    run = bare(tmp_path, config)
    run.artefacts.write_model("mgcn", model.state_dict(), {})
    before = torch.get_rng_state()
    found = read_mgcn(run.artefacts, config)
    assert torch.equal(torch.get_rng_state(), before)
    assert not found.training
    assert found.autoencoder.widths == (9, 16, 16, 4)
    layer = found.gcn.stream_layers(1)[2]
    assert (layer.sigma, layer.gamma) == (0.5, config.mgcn.gamma)
    for name, value in found.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


@pytest.mark.parametrize("damage", ["streams", "nothing"])
def test_weights_of_another_network_are_told(damage: str, tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "images.npy")
    run = bare(tmp_path, config)
    state = MGCN(AutoEncoder(9, (16, 16), 4), 3).state_dict() if damage == "streams" else {}
    run.artefacts.write_model("mgcn", state, {})
    with pytest.raises(UserError, match=r"mgcn\.safetensors' does not fit"):
        read_mgcn(run.artefacts, config)
