import dataclasses
from operator import attrgetter

import pytest

from iciclegcn.config import Config
from iciclegcn.config.values import flatten
from iciclegcn.data.named import NAMED
from iciclegcn.errors import UserError
from iciclegcn.presets import PRESETS, preset_config

PHOTOGRAPHS = ["cifar10", "cifar100", "stl10", "imagenet10", "imagenet-dogs", "tiny-imagenet"]


@pytest.mark.parametrize(
    ("field", "paper", "official"),
    [
        ("mgcn.sigma", 0.4, 0.5),
        ("mgcn.gamma", 0.2, 0.2),
        ("mgcn.autoencoder_weight", None, 0.5),  # the paper: what is left to 1
        ("mgcn.shared_weights", False, True),
        ("graph.normalization", "symmetric", "row"),
        ("graph.k", (1, 10), (1, 15)),
        ("pretrain.reconstruction", "squared_norm", "entry_mean"),
        ("pretrain.reconstruction_views", "both", "view_a"),
        ("mgcn.reconstruction", "squared_norm", "entry_mean"),
        ("pretrain.batch_size", 128, 100),
        ("pretrain.cluster_loss_views", "both", "both"),  # the defect only on request
    ],
)
def test_paper_and_official_differ_as_specified(
    field: str, paper: object, official: object
) -> None:
    assert attrgetter(field)(preset_config("paper", "cifar10")) == paper
    assert attrgetter(field)(preset_config("official", "cifar10")) == official


def test_paper_and_official_differ_nowhere_else() -> None:
    paper, official = (flatten(preset_config(name, "cifar10")) for name in ("paper", "official"))
    assert {name for name in paper if paper[name] != official[name]} == {
        "preset",
        "mgcn.sigma",
        "mgcn.autoencoder_weight",
        "mgcn.shared_weights",
        "mgcn.reconstruction",
        "graph.normalization",
        "graph.k",
        "pretrain.batch_size",
        "pretrain.reconstruction",
        "pretrain.reconstruction_views",
    }


def test_paper_is_the_defaults_at_224_pixels() -> None:
    config, defaults = preset_config("paper", "imagenet10"), Config()
    for section in ("backbone", "autoencoder", "pretrain", "graph", "mgcn"):
        assert getattr(config, section) == getattr(defaults, section)
    assert config.data.image_size == 224
    assert config.data.cache_size == 256


@pytest.mark.parametrize("name", ["Paper", "fast", ""])
def test_an_unknown_preset_is_refused(name: str) -> None:
    with pytest.raises(UserError) as caught:
        preset_config(name, "digits")
    message = f"'--preset' must be one of quick, paper, official (got {name!r})"
    assert str(caught.value) == message


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("source", list(NAMED))
def test_named_sets_bring_their_clusters_and_channels(preset: str, source: str) -> None:
    config = preset_config(preset, source)
    assert config.preset == preset
    assert config.num_clusters == NAMED[source].num_clusters
    assert config.data.source == source
    assert config.data.channels == NAMED[source].channels
    assert config.data.cache_size is not None
    assert preset_config(preset, f"{source}:elsewhere").num_clusters == config.num_clusters


def test_the_literatures_numbers_of_clusters() -> None:
    known = {name: preset_config("paper", name).num_clusters for name in NAMED}
    assert known == {
        "digits": 10,
        "mnist5k": 10,
        "cifar10": 10,
        "cifar100": 20,
        "stl10": 10,
        "stl10-unlabelled": 10,
        "imagenet10": 10,
        "imagenet-dogs": 15,
        "tiny-imagenet": 200,
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_unnamed_data_must_bring_the_number_of_clusters(preset: str) -> None:
    assert preset_config(preset, "photos").num_clusters is None
    assert preset_config(preset, "./digits").num_clusters is None


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("source", ["digits", "mnist5k"])
def test_digits_are_neither_flipped_nor_coloured(preset: str, source: str) -> None:
    views = preset_config(preset, source).views
    assert views.flip_probability == 0
    assert (views.saturation, views.hue, views.grayscale_probability) == (0, 0, 0)
    assert views.blur_probability == 0
    assert views.brightness > 0


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("source", [*PHOTOGRAPHS, "photos"])
def test_photographs_are_flipped_and_coloured(preset: str, source: str) -> None:
    views = preset_config(preset, source).views
    assert views.flip_probability == 0.5
    assert views.grayscale_probability == 0.2
    assert views.jitter_probability == 0.8
    assert views.hue == pytest.approx(views.saturation / 4)  # (.8s, .8s, .8s, .2s)
    assert views.brightness == views.contrast == views.saturation
    assert views.rotation == 0


@pytest.mark.parametrize(
    ("source", "strength"),
    [
        ("cifar10", 0.5),
        ("stl10", 0.5),
        ("imagenet10", 1.0),
        ("imagenet-dogs", 1.0),
        ("photos", 1.0),
    ],
)
def test_jitter_is_as_strong_as_in_the_literature(source: str, strength: float) -> None:
    views = preset_config("paper", source).views
    assert views.brightness == pytest.approx(0.8 * strength)
    assert views.hue == pytest.approx(0.2 * strength)


@pytest.mark.parametrize(
    ("preset", "source", "probability"),
    [
        ("paper", "stl10", 0.5),
        ("paper", "imagenet10", 0.5),
        ("official", "imagenet-dogs", 0.5),
        ("paper", "photos", 0.5),
        ("paper", "cifar10", 0.0),  # 32 px, only enlarged
        ("paper", "tiny-imagenet", 0.0),
        ("quick", "stl10", 0.0),  # views of 32 px
        ("quick", "photos", 0.0),
    ],
)
def test_views_of_photographs_of_96_pixels_and_more_are_blurred(
    preset: str, source: str, probability: float
) -> None:
    assert preset_config(preset, source).views.blur_probability == probability


def test_photographs_are_cached_larger_than_their_views_and_sets_at_their_size() -> None:
    for preset in PRESETS:
        photographs = preset_config(preset, "photos").data
        assert photographs.image_size is not None
        assert photographs.cache_size == round(photographs.image_size * 8 / 7)
        assert photographs.channels == 3
        assert preset_config(preset, "stl10").data.cache_size == 96


@pytest.mark.parametrize("source", ["images.npy", "images.NPZ"])
def test_arrays_keep_their_size_and_channels(source: str) -> None:
    data = preset_config("paper", source).data
    assert (data.cache_size, data.channels) == (None, None)


@pytest.mark.parametrize("source", ["digits", "cifar10", "photos"])
def test_quick_is_smaller_and_shorter(source: str) -> None:
    quick, paper = preset_config("quick", source), preset_config("paper", source)
    assert quick.backbone.name == "convnet"
    assert quick.pretrain.epochs < paper.pretrain.epochs / 5
    assert quick.mgcn.iterations < paper.mgcn.iterations / 5
    assert max(quick.autoencoder.hidden_channels) < max(paper.autoencoder.hidden_channels)
    assert quick.data.image_size is not None
    assert quick.data.image_size <= 32


def test_presets_are_complete_configurations() -> None:
    for preset in PRESETS:
        config = preset_config(preset, "digits")
        assert dataclasses.replace(config) == config  # valid
        assert (config.seed, config.device, config.precision) == (0, "auto", "auto")
