"""What suits features that nothing here trains: given ones, or a frozen backbone's."""

import dataclasses

from iciclegcn.config import Config, DataConfig
from iciclegcn.presets.icicle import icicle_preset


def features_preset(name: str, source: str) -> Config:
    """The configuration a preset of IcicleGCN gives for a matrix of features.

    Args:
        name: ``quick``, ``paper`` or ``official``.
        source: The file or folder that holds it.
    """
    # How images are shown matters to nothing here: any images' preset will do.
    base = icicle_preset(name, "features")
    data = DataConfig(source, kind="features", scaling="unit")
    defaults = Config()
    config = dataclasses.replace(
        base,
        data=data,
        views=defaults.views,
        backbone=defaults.backbone,
        pretrain=defaults.pretrain,
    )
    return on_features(config) if name == "quick" else config


def on_features(config: Config) -> Config:
    """A ``quick`` configuration with the start of stage 2 that suits features.

    The graph of good features says more of their groups than k-means on them does, and nothing
    else has been trained on them that could say more.

    Args:
        config: For any items.
    """
    mgcn = dataclasses.replace(config.mgcn, centers="graph")
    return dataclasses.replace(config, mgcn=mgcn)
