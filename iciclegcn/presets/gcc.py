"""GCC's presets."""

import dataclasses
from typing import NamedTuple

from iciclegcn.config import BackboneConfig, Config, DataConfig, GCCConfig, ViewConfig
from iciclegcn.data.named import find_named
from iciclegcn.presets.suited import is_small, suited_data, suited_views

# Zhong et al. (2021) jitter every set by (.4, .4, .4, .1) and blur none.
_JITTER_STRENGTH = 0.5


class _Schedule(NamedTuple):
    batch_size: int
    image_size: int
    backbone: str = "resnet18"


# Any data without a row is treated as ImageNet's photographs.
_PHOTOGRAPHS = _Schedule(96, 96)
_SCHEDULES = {
    "digits": _Schedule(256, 32),
    "mnist5k": _Schedule(256, 32),
    "cifar10": _Schedule(256, 32),
    "cifar100": _Schedule(256, 32),
    "tiny-imagenet": _Schedule(128, 64, "resnet34"),
}


def gcc_preset(name: str, source: str) -> Config:
    """The configuration a preset of GCC gives for some data.

    Args:
        name: ``quick`` or ``paper`` (the published schedule for each data set).
        source: What the user calls DATA.
    """
    base = {"quick": _quick, "paper": _paper}[name](source)
    image_size = base.data.image_size
    return dataclasses.replace(
        base,
        data=suited_data(source, image_size),
        views=suited_views(source, image_size, base.views, strength=_JITTER_STRENGTH),
    )


def _paper(source: str) -> Config:
    dataset = find_named(source)
    schedule = _SCHEDULES.get(dataset.name, _PHOTOGRAPHS) if dataset else _PHOTOGRAPHS
    return Config(
        data=DataConfig(image_size=schedule.image_size),
        views=ViewConfig(crop_scale=(0.2, 1.0)),
        # A 3x3 first layer at 32 and 96 pixels alike.
        backbone=BackboneConfig(name=schedule.backbone, stem="small"),
        gcc=GCCConfig(batch_size=schedule.batch_size, extra_source=_extra_source(source)),
    )


def _extra_source(source: str) -> str | None:
    """STL-10's unlabelled split, from the same folder."""
    name, separator, root = source.partition(":")
    return f"stl10-unlabelled{separator}{root}" if name == "stl10" else None


def _quick(source: str) -> Config:
    """Small network and short schedule; Adam, which needs no warm-up at such lengths."""
    small = is_small(source)
    return Config(
        data=DataConfig(image_size=16 if small else 32),
        # Handwriting slants: turned digits are the views that matter most there.
        views=(
            ViewConfig(crop_scale=(0.4, 1.0), rotation=15.0)
            if small
            else ViewConfig(crop_scale=(0.2, 1.0))
        ),
        backbone=BackboneConfig(name="convnet", stem="plain", width=128 if small else 256),
        gcc=GCCConfig(
            epochs=60 if small else 40,
            batch_size=128 if small else 256,
            optimizer="adam",
            learning_rate=1e-3,
            # In so few steps heads settle only at a higher rate; the best of several is taken.
            head_rate=10.0,
            num_heads=10,
            first_graph_epoch=20 if small else 15,
            graph_interval=2,
        ),
    )
