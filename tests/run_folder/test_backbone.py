import json
from pathlib import Path

import numpy as np
import pytest
import torch

from iciclegcn.config import BackboneConfig, Config
from iciclegcn.data.feature_scaling import FeatureScaling
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.loading import load_backbone
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.backbone import (
    feature_precision,
    frozen_backbone,
    read_backbone,
    write_backbone,
)
from iciclegcn.run_folder.scaling import write_scaling
from tests.tiny_networks import tiny_network, write_torchscript


def frozen(file: Path) -> Config:
    return Config(backbone=BackboneConfig(str(file), image_size=8))


def write(
    folder: Path, backbone: BackboneConfig, network: PretrainedNetwork, precision: str = "fp32"
) -> None:
    write_backbone(folder, backbone, network, precision)
    center = np.arange(network.num_features, dtype=np.float32)
    write_scaling(RunArtefacts(folder), FeatureScaling(center, 2.0))


def test_a_frozen_backbone_is_described_and_found_again(tmp_path: Path) -> None:
    config = frozen(write_torchscript(tmp_path / "net.pt"))
    network = load_backbone(config.backbone)
    write(tmp_path, config.backbone, network)
    told = json.loads((tmp_path / "backbone.json").read_text(encoding="utf-8"))
    assert told == read_backbone(tmp_path, config)
    assert told["name"] == str(tmp_path / "net.pt")
    assert told["weights"] == "net.pt"
    assert told["trained_on"] == "weights of net.pt, whose training is not known"
    assert (told["frozen"], told["num_features"], told["shown"]["image_size"]) == (True, 4, 8)
    views = torch.randn(2, 3, 8, 8)
    again = frozen_backbone(tmp_path, config)
    torch.testing.assert_close(again(views), (network(views) - torch.arange(4)) / 2)


def test_other_weights_than_gave_the_features_are_refused(tmp_path: Path) -> None:
    config = frozen(write_torchscript(tmp_path / "net.pt"))
    write(tmp_path, config.backbone, load_backbone(config.backbone))
    write_torchscript(tmp_path / "net.pt", tiny_network(1))
    with pytest.raises(UserError, match=r"are not those that gave the features of .*restore them"):
        frozen_backbone(tmp_path, config)


@pytest.mark.parametrize(
    ("full", "precision", "told"),
    [
        (False, "bf16", "bf16"),
        (True, "bf16", "fp32"),  # the network always computes in it
        (False, "fp32", "fp32"),  # no other was tried
    ],
)
def test_the_precision_of_the_features_is_kept(
    tmp_path: Path, full: bool, precision: str, told: str
) -> None:
    config = frozen(write_torchscript(tmp_path / "net.pt"))
    network = load_backbone(config.backbone)
    network.full_precision = full
    write(tmp_path, config.backbone, network, precision)
    assert feature_precision(tmp_path) == told
    assert frozen_backbone(tmp_path, config).full_precision is (told == "fp32")


def test_features_of_earlier_versions_are_float32(tmp_path: Path) -> None:
    config = frozen(write_torchscript(tmp_path / "net.pt"))
    network = load_backbone(config.backbone)
    network.full_precision = False
    write(tmp_path, config.backbone, network, "bf16")
    file = tmp_path / "backbone.json"
    told = json.loads(file.read_text(encoding="utf-8"))
    del told["precision"]
    file.write_text(json.dumps(told), encoding="utf-8")
    assert feature_precision(tmp_path) == "fp32"
    assert frozen_backbone(tmp_path, config).full_precision is True


def test_a_start_of_training_is_told_as_such(tmp_path: Path) -> None:
    backbone = BackboneConfig("efficientnet-lite0", frozen=False)
    write_backbone(tmp_path, backbone)
    told = read_backbone(tmp_path, Config(backbone=backbone))
    assert told is not None
    assert told["frozen"] is False
    assert told["trained_on"] == "supervised ImageNet weights"
    assert "sha256" not in told


@pytest.mark.parametrize(
    "backbone", [BackboneConfig("resnet18"), BackboneConfig("efficientnet-lite0", weights="random")]
)
def test_of_a_random_beginning_nothing_is_told(tmp_path: Path, backbone: BackboneConfig) -> None:
    write_backbone(tmp_path, backbone)
    assert read_backbone(tmp_path, Config(backbone=backbone)) is None
