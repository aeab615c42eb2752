import re
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
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


def as_published(name: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by the names that torchvision's files have, without what those leave out."""
    if name.startswith("densenet"):
        old = r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2."
        weights = {re.sub(*old, key): value for key, value in weights.items()}
        return {key: value for key, value in weights.items() if "num_batches" not in key}
    if name.startswith("vit_"):
        weights = {key.replace("mlp.0.", "mlp.linear_1."): w for key, w in weights.items()}
        return {key.replace("mlp.3.", "mlp.linear_2."): w for key, w in weights.items()}
    return weights


def small_transformer(
    name: str, weights: object = None, image_size: int = 224
) -> models.VisionTransformer:
    """As torchvision builds those that it names, with one narrow layer."""
    return models.VisionTransformer(
        image_size=image_size, patch_size=32, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16
    )


@pytest.mark.parametrize(
    ("name", "side"), [("mnasnet0_5", 64), ("densenet121", 64), ("vit_b_32", 224)]
)
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_published_weights_fit_whatever_their_names_were(
    name: str, side: int, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("vit_"):
        monkeypatch.setattr(models, "get_model", small_transformer)
    torch.manual_seed(0)
    whole = models.get_model(name, weights=None).eval()
    file, saved = tmp_path / f"own.{ending}", as_published(name, whole.state_dict())
    if name != "mnasnet0_5":
        assert saved.keys() - whole.state_dict().keys()
    if ending == "pth":
        torch.save(saved, file)
    else:
        save_file(saved, file)
    network = load_backbone(named(name, str(file), image_size=side))
    loaded = network.network.state_dict()
    assert loaded
    assert all(torch.equal(loaded[key], whole.state_dict()[key]) for key in loaded)


def test_names_of_one_family_are_left_alone_in_another(tmp_path: Path) -> None:
    whole = models.get_model(SHUFFLE, weights=None).state_dict()
    torch.save({**whole, "own.mlp.linear_1.bias": torch.zeros(1)}, tmp_path / "own.pth")
    with pytest.raises(UserError, match=r"it has unknown 'own.mlp.linear_1.bias'"):
        load_backbone(named(SHUFFLE, str(tmp_path / "own.pth"), image_size=64))


TRANSFORMERS = [name for name in models.list_models(module=models) if name.startswith("vit_")]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        (name, weights)
        for name in TRANSFORMERS
        for weights in (None, "random", *models.get_model_weights(name).__members__)
    ],
)
def test_transformers_are_built_for_the_images_that_they_are_shown(
    name: str, weights: str | None
) -> None:
    config = named(name, weights)
    with torch.device("meta"):  # up to 630 million weights
        network = build_network(config)
    side = network_facts(config).shown.image_size
    assert network.preprocess.shown.image_size == side
    assert network.network.image_size == side


def test_a_file_of_hashtag_weights_fits_its_transformer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "get_model", small_transformer)
    file = tmp_path / "vit_b_16_swag-9ac1b537.pth"
    torch.save(small_transformer("vit_b_16", image_size=384).state_dict(), file)
    network = load_backbone(named("vit_b_16", str(file)))
    assert network.preprocess.shown.image_size == 384
    # By a name that torchvision does not know, its size has to be told.
    file = file.rename(tmp_path / "own.pth")
    assert load_backbone(named("vit_b_16", str(file), image_size=384)).num_features == 8
    with pytest.raises(UserError, match=r"has another shape of 'encoder\.pos_embedding'"):
        load_backbone(named("vit_b_16", str(file)))


def test_a_side_that_no_patches_cover_is_told() -> None:
    with pytest.raises(UserError, match=r"vit_b_16' does not take images of 100 pixels \(Input sh"):
        build_network(named("vit_b_16", "random", image_size=100))


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
