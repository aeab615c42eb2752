import pytest
import torch
from torch import Tensor
from torchvision.models import ResNet50_Weights, ViT_B_16_Weights

from iciclegcn.config import BackboneConfig
from iciclegcn.data.views import evaluation_view
from iciclegcn.nn.pretrained.facts import Shown
from iciclegcn.nn.pretrained.loading import network_facts
from iciclegcn.nn.pretrained.preprocess import Preprocess


def views_of(images: Tensor) -> Tensor:
    return evaluation_view(images, images.shape[-1])


def photographs(side: int) -> Tensor:
    """Smooth images: what resampling keeps, a photograph has."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 9, 9, generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return smooth.clamp(0, 255).round().to(torch.uint8)


def test_pixels_are_normalised_as_the_network_was_trained() -> None:
    shown = Shown(4, 1.0, "bilinear", (0.2, 0.4, 0.5), (0.1, 0.2, 0.25))
    images = torch.full((1, 3, 4, 4), 51, dtype=torch.uint8)  # 0.2
    found = Preprocess(shown)(views_of(images))
    expected = torch.tensor([0.0, -1.0, -1.2]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_grey_images_are_shown_to_every_channel() -> None:
    images = photographs(8)[:, :1]
    preprocess = Preprocess(Shown(8, 1.0))
    torch.testing.assert_close(
        preprocess(views_of(images)), preprocess(views_of(images.expand(-1, 3, -1, -1)))
    )


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("resnet50", ResNet50_Weights.IMAGENET1K_V1),
        ("resnet50", ResNet50_Weights.IMAGENET1K_V2),
        ("vit_b_16", ViT_B_16_Weights.IMAGENET1K_SWAG_LINEAR_V1),  # bicubic
    ],
)
@pytest.mark.parametrize("side", [None, 300])
def test_images_are_shown_as_torchvision_shows_them(
    name: str, weights: ResNet50_Weights, side: int | None
) -> None:
    facts = network_facts(BackboneConfig(f"torchvision:{name}", weights=weights.name))
    images = photographs(side or facts.shown.resized)
    found = Preprocess(facts.shown)(views_of(images))
    expected = weights.transforms()(images)
    assert found.shape == expected.shape
    # torchvision rounds resized images to whole pixel values.
    tolerance = 1e-5 if side is None else 0.6 / 255 / min(facts.shown.std)
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def test_nothing_of_a_small_image_is_thrown_away() -> None:
    images = photographs(16)
    whole = Preprocess(Shown(32, 0.5))(views_of(images))
    torch.testing.assert_close(whole, Preprocess(Shown(32, 1.0))(views_of(images)))
    middle = Preprocess(Shown(32, 0.5), crop=0.5)(views_of(images))
    torch.testing.assert_close(middle[:, :, 8:-8, 8:-8], whole_twice(images)[:, :, 24:-24, 24:-24])


def whole_twice(images: Tensor) -> Tensor:
    found: Tensor = Preprocess(Shown(64, 1.0))(views_of(images))
    return found


def test_bicubic_does_not_leave_the_range_of_pixels() -> None:
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    images[..., 4:] = 255
    found = Preprocess(Shown(32, 1.0, "bicubic", (0.0,), (1.0,)))(views_of(images))
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.max() > 0.999


def test_views_for_training_stay_as_large_as_they_are() -> None:
    views = views_of(photographs(16))
    found = Preprocess(Shown(32, 0.875), resize=False)(views.to(torch.bfloat16))
    assert found.shape == (2, 3, 16, 16)
    assert found.dtype == torch.bfloat16
