"""What of a preset changes with a trained backbone: the size of images, and what is left alone."""

import dataclasses
from collections.abc import Mapping

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.data.named import find_named
from iciclegcn.presets.features import on_features
from iciclegcn.presets.suited import suited_data, suited_views


def suit_backbone(preset: Config, changes: Mapping[str, object]) -> Config:
    """A preset as it suits the backbone that changes to it name.

    Args:
        preset: What `iciclegcn.presets.preset_config` gives.
        changes: Values by dotted name, which are applied to the result later and win.

    Returns:
        With a trained backbone that is frozen, images are kept as large as it resizes them to,
        and shown as they are kept; with one that training starts from, views are as large as it
        was trained on. Otherwise the preset.

    Raises:
        UserError: If the backbone is unknown, or its package absent.
    """
    named = {name: value for name, value in changes.items() if name.startswith("backbone.")}
    if preset.method != "icicle":  # it trains its backbone
        named = {"backbone.frozen": False, **named}
    suited = build_config(preset, named)
    backbone, source = suited.backbone, suited.data.source
    if backbone.kind == "built-in" or suited.data.kind == "features":
        return preset
    from iciclegcn.nn.pretrained.loading import network_facts  # imports torch

    shown = network_facts(backbone).shown
    dataset = find_named(source)
    native = suited.data.cache_size is None or (dataset is not None and dataset.native)
    if backbone.is_frozen:
        cache_size = suited.data.cache_size if native else shown.resized
        data = dataclasses.replace(
            suited.data, image_size=None, cache_size=cache_size, scaling="unit"
        )
        suited = dataclasses.replace(suited, data=data)
        return on_features(suited) if suited.preset == "quick" else suited
    suited = dataclasses.replace(suited, data=suited_data(source, shown.image_size))
    if preset.method != "icicle":  # it blurs nothing, whatever the size
        return suited
    views = suited_views(source, shown.image_size, suited.views)
    return dataclasses.replace(suited, views=views)
