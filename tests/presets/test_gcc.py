import pytest

from iciclegcn.config import GCCConfig
from iciclegcn.errors import UserError
from iciclegcn.presets import preset_config


@pytest.mark.parametrize(
    ("source", "batch_size", "image_size", "backbone"),
    [
        ("cifar10", 256, 32, "resnet18"),
        ("cifar100", 256, 32, "resnet18"),
        ("stl10:/data", 96, 96, "resnet18"),
        ("imagenet10", 96, 96, "resnet18"),
        ("imagenet-dogs", 96, 96, "resnet18"),
        ("tiny-imagenet", 128, 64, "resnet34"),
        ("photos", 96, 96, "resnet18"),
    ],
)
def test_paper_is_the_published_schedule(
    source: str, batch_size: int, image_size: int, backbone: str
) -> None:
    config = preset_config("paper", source, "gcc")
    assert (config.method, config.preset) == ("gcc", "paper")
    assert (config.gcc.batch_size, config.data.image_size) == (batch_size, image_size)
    assert (config.backbone.name, config.backbone.stem) == (backbone, "small")
    gcc = config.gcc
    assert (gcc.epochs, gcc.optimizer, gcc.learning_rate) == (1000, "sgd", 0.4)
    assert (gcc.momentum, gcc.weight_decay, gcc.final_rate) == (0.9, 1e-4, 1e-3)
    assert (gcc.first_graph_epoch, gcc.graph_interval, gcc.num_neighbors) == (50, 5, 5)
    views = config.views
    assert (views.brightness, views.contrast, views.saturation) == (0.4, 0.4, 0.4)
    assert (views.hue, views.jitter_probability) == (0.1, 0.8)
    assert (views.grayscale_probability, views.blur_probability) == (0.2, 0)
    assert views.crop_scale == (0.2, 1)


def test_stl10_trains_on_its_unlabelled_split_too() -> None:
    assert preset_config("paper", "stl10", "gcc").gcc.extra_source == "stl10-unlabelled"
    extra = preset_config("paper", "stl10:/data", "gcc").gcc.extra_source
    assert extra == "stl10-unlabelled:/data"
    for preset, source in (("paper", "cifar10"), ("paper", "stl10-unlabelled"), ("quick", "stl10")):
        assert preset_config(preset, source, "gcc").gcc.extra_source is None


def test_official_is_icicles_alone() -> None:
    with pytest.raises(UserError, match="use paper or quick for gcc"):
        preset_config("official", "cifar10", "gcc")
    with pytest.raises(UserError, match="must be icicle or gcc to begin with images"):
        preset_config("quick", "cifar10", "ruc")


@pytest.mark.parametrize("source", ["digits", "cifar10", "photos"])
def test_quick_is_small_and_short_and_sees_what_icicle_sees(source: str) -> None:
    quick, icicle = preset_config("quick", source, "gcc"), preset_config("quick", source)
    assert quick.backbone == icicle.backbone
    assert quick.data == icicle.data
    assert quick.views.flip_probability == icicle.views.flip_probability
    assert quick.gcc.epochs <= 100
    assert quick.gcc.first_graph_epoch < quick.gcc.epochs
    assert quick.gcc.temperature == GCCConfig().temperature


def test_digits_are_neither_flipped_nor_coloured() -> None:
    for preset in ("quick", "paper"):
        views = preset_config(preset, "digits", "gcc").views
        assert (views.flip_probability, views.saturation, views.hue) == (0, 0, 0)
