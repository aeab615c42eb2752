from pathlib import Path

import pytest
import torch

from iciclegcn.config import BackboneConfig
from iciclegcn.nn.pretrained.loading import build_network, load_backbone, network_facts
from tests.tiny_networks import write_torchscript

NAME = "torchvision:shufflenet_v2_x0_5"


def test_own_values_replace_what_is_known() -> None:
    own = BackboneConfig(
        "efficientnet-lite0",
        image_size=64,
        crop=0.5,
        mean=(0.1, 0.2, 0.3),
        std=(1.0,),
        trained_on="birds",
    )
    facts = network_facts(own)
    assert facts.shown == (64, 0.5, "bicubic", (0.1, 0.2, 0.3), (1.0,))
    assert facts.trained_on == "birds"


@pytest.mark.parametrize(
    ("config", "side"),
    [
        (BackboneConfig(NAME, weights="random"), 48),  # is trained: views as they are
        (BackboneConfig(NAME, weights="random", image_size=32), 32),
        (BackboneConfig(NAME, frozen=False), 48),
        (BackboneConfig(NAME), 224),
        (BackboneConfig("torchvision:vit_b_32", weights="random"), 224),  # has one size
    ],
)
def test_a_frozen_network_sees_its_size_and_one_that_trains_what_it_is_given(
    config: BackboneConfig, side: int
) -> None:
    network = build_network(config)
    assert network.preprocess(torch.zeros(1, 3, 48, 48)).shape[-1] == side


def test_a_frozen_network_is_at_rest(tmp_path: Path) -> None:
    file = write_torchscript(tmp_path / "net.pt")
    network = load_backbone(BackboneConfig(str(file), image_size=8))
    assert not network.training
    assert network.num_features == 4


def test_our_own_networks_are_built_elsewhere() -> None:
    with pytest.raises(ValueError, match=r"must be a trained network \(got resnet18\)"):
        network_facts(BackboneConfig("resnet18"))
