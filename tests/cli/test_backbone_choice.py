import pytest

from iciclegcn.cli.backbone_choice import suit_backbone
from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.errors import UserError
from iciclegcn.presets import preset_config


def suited(source: str, method: str = "icicle", /, **changes: object) -> Config:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return suit_backbone(preset_config("quick", source, method), named)


@pytest.mark.parametrize("changes", [{}, {"backbone.name": "resnet18"}, {"pretrain.epochs": 3}])
def test_a_backbone_that_begins_at_random_changes_nothing(changes: dict[str, object]) -> None:
    preset = preset_config("quick", "photos")
    assert suit_backbone(preset, changes) == preset


def test_photographs_are_kept_as_large_as_a_frozen_backbone_resizes_them() -> None:
    found = suited("photos", backbone__name="efficientnet-lite0")
    assert (found.data.image_size, found.data.cache_size) == (None, 256)
    assert (found.data.scaling, found.mgcn.centers) == ("unit", "graph")
    found = suited("photos", backbone__name="torchvision:resnet50")
    assert found.data.cache_size == 232
    found = suited("photos", backbone__name="efficientnet-lite0", backbone__image_size=112)
    assert found.data.cache_size == 128


@pytest.mark.parametrize(("source", "size"), [("digits", 8), ("cifar10", 32), ("images.npy", None)])
def test_images_of_one_size_are_kept_at_it(source: str, size: int | None) -> None:
    found = suited(source, backbone__name="efficientnet-lite0")
    assert (found.data.image_size, found.data.cache_size) == (None, size)


def test_training_starts_with_views_of_the_size_that_weights_were_trained_on() -> None:
    start = {"backbone.name": "efficientnet-lite0", "backbone.frozen": "false"}
    found = suit_backbone(preset_config("quick", "photos"), start)
    assert (found.data.image_size, found.data.cache_size) == (224, 256)
    assert found.views.blur_probability == 0.5  # as photographs of 224 pixels are blurred
    assert suit_backbone(preset_config("quick", "digits"), start).data.image_size == 224


def test_methods_that_train_the_backbone_start_from_it() -> None:
    found = suited("photos", "gcc", backbone__name="efficientnet-lite0")
    assert found.backbone.frozen is False
    assert found.data.image_size == 224
    assert found.views == preset_config("quick", "photos", "gcc").views
    with pytest.raises(UserError, match="must be false for the method gcc"):
        suited("photos", "gcc", backbone__name="efficientnet-lite0", backbone__frozen="true")


def test_own_values_win() -> None:
    changes = {"backbone.name": "efficientnet-lite0", "data.cache_size": 64}
    found = build_config(suit_backbone(preset_config("quick", "photos"), changes), changes)
    assert found.data.cache_size == 64


def test_an_unknown_backbone_is_told_before_anything_begins() -> None:
    with pytest.raises(UserError, match="torchvision has no classification network 'resnet51'"):
        suited("photos", backbone__name="torchvision:resnet51")
