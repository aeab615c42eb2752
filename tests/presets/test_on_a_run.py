import dataclasses

import pytest

from iciclegcn.config import RUCConfig, SelfLabelConfig
from iciclegcn.errors import UserError
from iciclegcn.presets import preset_config, preset_on_a_run, ruc_schedule, self_label_schedule


@pytest.mark.parametrize(
    ("source", "epochs", "batch_size"),
    [("cifar10", 200, 1000), ("cifar100", 200, 1000), ("stl10", 100, 500), ("photos", 100, 500)],
)
def test_self_labelling_has_the_published_schedule(
    source: str, epochs: int, batch_size: int
) -> None:
    schedule = self_label_schedule(preset_config("paper", source, "gcc"))
    assert (schedule.epochs, schedule.batch_size) == (epochs, batch_size)
    assert (schedule.threshold, schedule.learning_rate) == (0.98, 5e-5)


@pytest.mark.parametrize(
    ("source", "batch_size", "weight", "threshold", "growth"),
    [
        ("cifar10", 250, 25, 0.99, 0.0),
        ("cifar100", 250, 100, 0.9, 0.02),
        ("stl10", 100, 50, 0.9, 0.02),
        ("photos", 100, 50, 0.9, 0.02),
        ("digits", 250, 25, 0.99, 0.0),
    ],
)
def test_ruc_has_the_published_constants(
    source: str, batch_size: int, weight: float, threshold: float, growth: float
) -> None:
    options = ruc_schedule(preset_config("paper", source, "gcc"))
    assert (options.epochs, options.batch_size) == (200, batch_size)
    assert options.unlabelled_weight == weight
    assert (options.refurbish_threshold, options.refurbish_growth) == (threshold, growth)
    assert (options.refurbish_interval, options.ramp_epochs) == (40, 200)
    assert options.least_clean == 0  # the paper's clean images are all that are trusted


def test_icicles_large_views_of_small_images_keep_the_constants_of_the_set() -> None:
    options = ruc_schedule(preset_config("paper", "cifar10"))  # 224 pixels
    assert (options.unlabelled_weight, options.batch_size) == (25, 100)


@pytest.mark.parametrize("method", ["icicle", "gcc"])
def test_quick_runs_go_on_quickly(method: str) -> None:
    base = preset_config("quick", "digits", method)
    schedule = self_label_schedule(base)
    assert schedule.epochs <= SelfLabelConfig().epochs / 5
    assert (schedule.threshold, schedule.operations) == (0.8, 2)
    assert self_label_schedule(preset_config("quick", "photos", method)).operations == 4
    options = ruc_schedule(base)
    assert options.epochs <= RUCConfig().epochs / 5
    assert options.ramp_epochs == options.epochs == 5 * options.refurbish_interval
    assert options.sampling == "metric"
    assert ruc_schedule(preset_config("quick", "photos", method)).epochs == options.epochs / 4


def test_all_else_is_the_bases() -> None:
    base = preset_config("quick", "digits", "gcc")
    taught, refined = (preset_on_a_run(base, method) for method in ("self-label", "ruc"))
    assert taught == dataclasses.replace(
        base, method="self-label", self_label=self_label_schedule(base)
    )
    assert refined == dataclasses.replace(base, method="ruc", ruc=ruc_schedule(base))
    with pytest.raises(UserError, match="must be self-label or ruc to begin with a run"):
        preset_on_a_run(base, "gcc")
