import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iciclegcn.config import BackboneConfig
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.loading import load_backbone, network_facts
from iciclegcn.nn.pretrained.network_files import FileNetwork
from tests.tiny_networks import tiny_network, write_torchscript


def test_torchscript_gives_the_features_of_its_network(tmp_path: Path) -> None:
    file = write_torchscript(tmp_path / "net.pt")
    network = load_backbone(BackboneConfig(str(file), image_size=8, crop=1.0))
    views = torch.randn(3, 3, 8, 8)
    expected = tiny_network()(network.preprocess(views))
    assert network.num_features == 4
    torch.testing.assert_close(network(views), expected)


def test_its_precision_is_its_own(tmp_path: Path) -> None:
    file = write_torchscript(tmp_path / "net.pt")
    network = load_backbone(BackboneConfig(str(file), image_size=8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(torch.randn(1, 3, 8, 8)).dtype == torch.float32


def test_a_file_tells_nothing_of_its_training(tmp_path: Path) -> None:
    file = write_torchscript(tmp_path / "net.pt")
    facts = network_facts(BackboneConfig(str(file), mean=(0.5,), std=(0.25,)))
    assert facts.trained_on == "weights of net.pt, whose training is not known"
    assert facts.shown == (224, 0.875, "bilinear", (0.5,), (0.25,))


def test_its_fingerprint_is_the_files(tmp_path: Path) -> None:
    file = write_torchscript(tmp_path / "net.pt")
    network = load_backbone(BackboneConfig(str(file), image_size=8))
    assert network.fingerprint() == hashlib.sha256(file.read_bytes()).hexdigest()


class Pairs:
    """Takes two images at a time."""

    batch: int | None = 2
    image_size: int | None = 4

    def run(self, images: Tensor) -> object:
        assert len(images) == 2
        return images.flatten(1) * 2


def test_networks_of_a_fixed_batch_take_any_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iciclegcn.nn.pretrained.network_files._load", lambda file: Pairs())
    images = torch.randn(5, 3, 4, 4)
    found = FileNetwork(tmp_path / "net.onnx")(images)
    assert isinstance(found, Tensor)
    torch.testing.assert_close(found, images.flatten(1) * 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.pt", "the backbone '.*gone.pt' is not there; give the file of a network"),
        ("weights.pt", "holds no TorchScript network; where it holds weights alone, name their"),
        ("text.pt", "holds no TorchScript network"),
        ("text.onnx", "is no readable network|needs the package onnxruntime"),
        ("text.pt2", "holds no ExportedProgram; save one with torch.export.save"),
    ],
)
def test_what_is_no_network_is_told(tmp_path: Path, name: str, message: str) -> None:
    if name.startswith("text"):
        (tmp_path / name).write_text("nothing", encoding="utf-8")
    elif name == "weights.pt":
        torch.save(tiny_network().state_dict(), tmp_path / name)
    with pytest.raises(UserError, match=message):
        load_backbone(BackboneConfig(str(tmp_path / name)))
