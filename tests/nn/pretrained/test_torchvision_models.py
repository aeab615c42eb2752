import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import models

from iciclegcn.config import BackboneConfig
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.loading import build_network, load_backbone, network_facts
from iciclegcn.nn.pretrained.torchvision_models import TorchvisionModels

SHUFFLE = "shufflenet_v2_x0_5"


def named(name: str, weights: str | None = None, **options: Any) -> BackboneConfig:
    return BackboneConfig(f"torchvision:{name}", weights=weights, **options)


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_every_network_is_described(name: str) -> None:
    shown = network_facts(named(name)).shown
    assert 224 <= shown.image_size <= shown.resized
    assert shown.interpolation in ("bilinear", "bicubic")


@pytest.mark.parametrize(
    ("name", "width"),
    [
        (SHUFFLE, 1024),  # fc
        ("squeezenet1_1", 512),  # a convolution
        ("mobilenet_v3_small", 1024),  # the last of several layers
        ("googlenet", 1024),
    ],
)
def test_features_are_what_the_classifier_would_see(name: str, width: int) -> None:
    network = build_network(named(name, "random", image_size=96))
    assert network.num_features == width
    assert network.eval()(torch.zeros(2, 3, 96, 96)).shape == (2, width)


def test_weights_of_a_file_give_the_features_of_the_whole_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = models.get_model(SHUFFLE, weights=None).eval()
    torch.save(whole.state_dict(), tmp_path / "own.pth")
    network = load_backbone(named(SHUFFLE, str(tmp_path / "own.pth"), image_size=64))
    views = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(
            whole.fc(network(views)), whole(network.preprocess(views)), atol=1e-5, rtol=1e-4
        )


def test_a_file_that_torchvision_publishes_is_known_by_its_name() -> None:
    facts = network_facts(named("resnet50", "folder/resnet50-0676ba61.pth"))
    assert facts.weights == "IMAGENET1K_V1"
    assert facts.trained_on == "supervised ImageNet weights"
    assert facts.shown.resized == 256
    assert network_facts(named("resnet50")).shown.resized == 232  # V2
    facts = network_facts(named("resnet50", "folder/mine.pth"))
    assert facts.trained_on == "weights of mine.pth, whose training is not known"


def test_weights_that_saw_hashtags_are_told() -> None:
    facts = network_facts(named("vit_b_16", "IMAGENET1K_SWAG_LINEAR_V1"))
    assert facts.trained_on == "supervised ImageNet weights, after weak supervision by hashtags"
    assert facts.fixed


def test_downloads_are_checked_and_read_as_data(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    whole = models.get_model(SHUFFLE, weights=None).eval()
    asked: list[tuple[str, dict[str, Any]]] = []

    def download(url: str, **options: Any) -> dict[str, torch.Tensor]:
        asked.append((url, options))
        return dict(whole.state_dict())

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    network = load_backbone(named(SHUFFLE, image_size=64))
    assert [url.rpartition("/")[2] for url, _ in asked] == ["shufflenetv2_x0.5-f707e7126e.pth"]
    assert asked[0][1]["weights_only"] is True
    assert asked[0][1]["check_hash"] is True
    first = next(iter(whole.parameters()))
    assert torch.equal(next(network.network.parameters()), first)


def test_without_a_connection_the_remedy_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(url: str, **options: Any) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    with pytest.raises(UserError) as caught:
        TorchvisionModels().load(torch.nn.Identity(), named(SHUFFLE))
    assert str(caught.value) == (
        "torchvision's weights IMAGENET1K_V1 of shufflenet_v2_x0_5 cannot be downloaded (<urlopen "
        "error no route>); give a file of them with --backbone.weights FILE, such as "
        "shufflenetv2_x0.5-f707e7126e.pth"
    )


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other.pth' does not fit the network: it lacks"):
        load_backbone(named(SHUFFLE, str(tmp_path / "other.pth"), image_size=64))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (named("resnet51"), "no classification network 'resnet51'; did you mean 'torchvision:resn"),
        (named("fasterrcnn_resnet50_fpn"), "torchvision has no classification network"),
        (
            named("resnet18", "IMAGENET1K_V2"),
            r"must be one of IMAGENET1K_V1, a file, or random \(got 'IMAGENET1K_V2'\)",
        ),
    ],
)
def test_unknown_names_are_refused(config: BackboneConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        network_facts(config)
