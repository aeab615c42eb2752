import pytest

from iciclegcn.config import ViewConfig
from iciclegcn.presets.suited import is_small, suited_data, suited_views


def test_only_digits_are_small() -> None:
    assert [name for name in ("digits", "mnist5k", "cifar10", "photos") if is_small(name)] == [
        "digits",
        "mnist5k",
    ]


def test_the_cache_is_larger_than_views_of_photographs_alone() -> None:
    assert suited_data("photos", 96).cache_size == 110
    assert suited_data("cifar10", 96).cache_size == 32
    assert suited_data("imagenet10", None).cache_size == 256
    assert suited_data("a.npy", 96).cache_size is None


def test_a_strength_of_its_own_takes_the_blur_away() -> None:
    views = ViewConfig(crop_scale=(0.3, 1.0))
    own, known = (suited_views("photos", 224, views, strength=s) for s in (0.5, None))
    assert (own.brightness, own.hue, own.blur_probability) == pytest.approx((0.4, 0.1, 0.0))
    assert (known.brightness, known.hue, known.blur_probability) == pytest.approx((0.8, 0.2, 0.5))
    assert own.crop_scale == known.crop_scale == (0.3, 1.0)
