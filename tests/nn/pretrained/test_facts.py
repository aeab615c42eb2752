from pathlib import Path

import pytest

from iciclegcn.config import BackboneConfig
from iciclegcn.nn.pretrained.facts import Shown, untold, weights_file


def test_the_whole_image_is_larger_than_its_middle() -> None:
    assert Shown(224, 0.875).resized == 256
    assert Shown(224, 224 / 232).resized == 232
    assert Shown(384, 1.0).resized == 384


@pytest.mark.parametrize("weights", [None, "random", "IMAGENET1K_V1", "a1_in1k"])
def test_names_of_weights_are_no_files(weights: str | None) -> None:
    assert weights_file(BackboneConfig("torchvision:resnet18", weights=weights)) is None


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "folder/w.PT"])
def test_weights_with_the_ending_of_a_file_are_one(name: str) -> None:
    config = BackboneConfig("torchvision:resnet18", weights=name)
    assert weights_file(config) == Path(name)


def test_a_file_that_is_there_needs_no_ending(tmp_path: Path) -> None:
    (tmp_path / "weights").touch()
    config = BackboneConfig("torchvision:resnet18", weights=str(tmp_path / "weights"))
    assert weights_file(config) == tmp_path / "weights"


def test_weights_of_a_file_are_told_to_be_of_unknown_training() -> None:
    assert untold(Path("folder/w.pth")) == "weights of w.pth, whose training is not known"
