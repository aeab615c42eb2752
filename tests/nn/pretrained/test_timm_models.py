import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from iciclegcn.config import BackboneConfig
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.loading import build_network, load_backbone, network_facts
from iciclegcn.nn.pretrained.timm_models import TimmModels

timm = pytest.importorskip("timm", reason="the extra 'timm' is absent")
CONV, FIXED = "mobilenetv3_small_050", "vit_tiny_patch16_224"


def named(name: str, weights: str | None = None, **options: Any) -> BackboneConfig:
    return BackboneConfig(f"timm:{name}", weights=weights, **options)


def test_networks_are_shown_what_timm_tells() -> None:
    facts = network_facts(named("vit_tiny_patch16_224"))
    assert facts.weights == "augreg_in21k_ft_in1k"
    assert facts.shown == (224, 0.9, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert facts.fixed


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (named("resnet18"), "supervised ImageNet weights"),
        (named("convnext_tiny", "fb_in22k"), "supervised ImageNet weights"),
        (named("convnext_tiny.fb_in22k"), "supervised ImageNet weights"),
        (named("vit_base_patch16_224", "dino"), "timm's weights 'dino', which name no classes"),
        (
            named("vit_base_patch16_clip_224", "openai"),
            "timm's weights 'openai', a supervised classifier or one of texts",
        ),
        (named("resnet18", "mine.safetensors"), "weights of mine.safetensors, whose training"),
    ],
)
def test_what_weights_have_seen_is_told(config: BackboneConfig, told: str) -> None:
    assert network_facts(config).trained_on.startswith(told)


def test_weights_of_a_file_give_timms_features(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = timm.create_model(CONV, pretrained=False).eval()
    save_file(whole.state_dict(), tmp_path / "own.safetensors")
    config = named(CONV, str(tmp_path / "own.safetensors"), image_size=64)
    network = load_backbone(config)
    views = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        shown = network.preprocess(views)
        torch.testing.assert_close(whole.classifier(network(views)), whole(shown))


def test_weights_for_another_size_are_translated_by_timm(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = timm.create_model(FIXED, pretrained=False, img_size=48, num_classes=1000).eval()
    save_file(whole.state_dict(), tmp_path / "own.safetensors")
    # timm stretches the learned places of patches: here those of 48 pixels to 32.
    network = load_backbone(named(FIXED, str(tmp_path / "own.safetensors"), image_size=32))
    state = network.network.state_dict()
    assert state["pos_embed"].shape == (1, 5, 192)
    assert torch.equal(state["patch_embed.proj.weight"], whole.patch_embed.proj.weight)


def test_a_network_of_one_size_is_built_for_another_on_request() -> None:
    network = build_network(named(FIXED, "random", image_size=32))
    assert network.eval()(torch.zeros(1, 3, 48, 48)).shape == (1, 192)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"other.safetensors' does not fit the network: it lacks"):
        load_backbone(named(CONV, str(tmp_path / "other.safetensors"), image_size=64))


def test_an_absent_file_is_told() -> None:
    with pytest.raises(UserError, match=r"'gone.pth' is not there; 'backbone.weights' must name"):
        TimmModels().load(torch.nn.Identity(), named(CONV, "gone.pth"))


def test_without_a_connection_the_remedy_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(name: str, **options: Any) -> None:
        assert options["pretrained"] is True
        raise OSError("no route")

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(UserError) as caught:
        TimmModels().load(torch.nn.Identity(), named(CONV))
    assert str(caught.value) == (
        f"timm's weights of timm:{CONV} cannot be downloaded (no route); give a file of them with "
        "--backbone.weights FILE"
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (named("resnet19"), "timm has no network 'resnet19'; did you mean 'timm:resnet"),
        (named("resnet18", "nobody"), "timm knows no weights 'nobody' of resnet18; it knows a1_in"),
    ],
)
def test_unknown_names_are_refused(config: BackboneConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        network_facts(config)


def test_an_absent_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"needs the package timm: pip install 'iciclegcn\[timm\]'"):
        network_facts(named(CONV))
