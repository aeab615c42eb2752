from pathlib import Path

import numpy as np
import pytest

from benchmarks.extraction_speed import extraction_speeds, onnx_twin, timed
from iciclegcn.config import BackboneConfig, Config, DataConfig
from iciclegcn.nn.pretrained.facts import Shown
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.nn.pretrained.preprocess import Preprocess
from tests.tiny_networks import tiny_network, write_torchscript
from tests.tiny_run import write_images


def wrapped() -> PretrainedNetwork:
    return PretrainedNetwork(tiny_network(), Preprocess(Shown(8, 1.0)), "tiny").eval()


def test_every_way_is_timed_and_held_against_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.extraction_speed.load_backbone", lambda _: wrapped())
    monkeypatch.setattr("benchmarks.extraction_speed.onnx_twin", lambda *_: None)
    config = Config(
        data=DataConfig(str(write_images(tmp_path / "images.npy", 90))),
        backbone=BackboneConfig(str(write_torchscript(tmp_path / "net.pt"))),
    )
    found = extraction_speeds(config, 70)
    assert set(found) == {"fp32", "bf16"}
    assert found["fp32"] | {"images_per_second": 0} == {
        "images_per_second": 0,
        "error": 0.0,
        "neighbors_kept": 1.0,
    }
    assert 0 < found["bf16"]["error"] < 0.05
    assert 0.5 < found["bf16"]["neighbors_kept"] <= 1


def test_onnx_gives_the_same_features(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'onnx' is absent")
    pytest.importorskip("onnxscript", reason="the package onnxscript is absent")
    network = wrapped()
    twin = onnx_twin(network, tmp_path)
    assert twin is not None
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
    expected, found = (timed(way, "fp32", images, Config())[1] for way in (network, twin))
    assert expected.shape == (5, 4)
    np.testing.assert_allclose(found, expected, atol=1e-5)
