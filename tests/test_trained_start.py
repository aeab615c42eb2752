"""Stage 1 and GCC begin with trained weights, and their checkpoints need those no more."""

from pathlib import Path

import pytest
import torch

from iciclegcn.config import BackboneConfig, Config
from iciclegcn.errors import UserError
from iciclegcn.nn.backbone import build_backbone, start_trained
from iciclegcn.nn.pretrained.loading import build_network
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.pipeline import run
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.stages.icicle import pretrained_model
from tests.tiny_run import tiny_config, tiny_gcc, write_images

NAME = "torchvision:shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that no initialisation gives."""
    file = tmp_path_factory.mktemp("weights") / "own.pth"
    state = build_network(
        BackboneConfig(NAME, weights="random", image_size=32)
    ).network.state_dict()
    state["conv1.0.weight"] = torch.full_like(state["conv1.0.weight"], 0.125)
    torch.save(state, file)
    return file


def started(make: object, folder: Path, weights: Path) -> Config:
    images = write_images(folder / "images.npy", 60)
    return make(  # type: ignore[operator, no-any-return]
        images,
        backbone__name=NAME,
        backbone__weights=str(weights),
        backbone__frozen=False,
        data__image_size=32,
    )


def first_weight(network: torch.nn.Module) -> torch.Tensor:
    weight: torch.Tensor = network.state_dict()["network.conv1.0.weight"]
    return weight


def test_a_built_backbone_is_random_until_it_is_started(weights: Path) -> None:
    config = BackboneConfig(NAME, weights=str(weights), frozen=False)
    network, channels = build_backbone(config, in_channels=1)
    assert isinstance(network, PretrainedNetwork)
    assert channels == 1024
    assert not torch.equal(first_weight(network), torch.full((24, 3, 3, 3), 0.125))
    start_trained(network, config, 32)
    assert torch.equal(first_weight(network), torch.full((24, 3, 3, 3), 0.125))
    # Views for training stay as large as they are.
    assert network.preprocess(torch.zeros(2, 1, 32, 32)).shape == (2, 3, 32, 32)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_backbones_of_our_own_are_left_alone() -> None:
    config = BackboneConfig("convnet", width=8)
    network, _ = build_backbone(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    start_trained(network, config, 16)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_views_that_the_network_cannot_take_are_told_before_training() -> None:
    config = BackboneConfig("torchvision:alexnet", weights="random")
    network, _ = build_backbone(config)
    with pytest.raises(UserError, match=r"alexnet' does not take images of 16 pixels .*image_size"):
        start_trained(network, config, 16)


def test_stage_1_trains_on_from_the_weights(tmp_path: Path, weights: Path) -> None:
    config = started(tiny_config, tmp_path, weights)
    out = run(config, tmp_path / "run")
    artefacts = RunArtefacts(out)
    weights.rename(weights.with_name("away.pth"))  # a checkpoint has all there is to it
    try:
        model = pretrained_model(artefacts, config)
    finally:
        weights.with_name("away.pth").rename(weights)
    moved = (first_weight(model.backbone) - 0.125).abs().max()
    assert 0 < moved < 0.05  # a few steps of Adam away, not drawn anew
    told = artefacts.read_metrics()["backbone"]
    assert (told["frozen"], told["weights"]) == (False, "own.pth")


def test_gcc_trains_on_from_the_weights(tmp_path: Path, weights: Path) -> None:
    config = started(tiny_gcc, tmp_path, weights)
    out = run(config, tmp_path / "run", until="train")
    state, _ = RunArtefacts(out).read_model("classifier")
    moved = (state["backbone.network.conv1.0.weight"] - 0.125).abs().max()
    assert 0 < moved < 0.05
    assert (out / "backbone.json").is_file()
