"""IcicleGCN's presets."""

import dataclasses

from iciclegcn.config import (
    AutoEncoderConfig,
    BackboneConfig,
    Config,
    DataConfig,
    GraphConfig,
    MGCNConfig,
    PretrainConfig,
    ViewConfig,
)
from iciclegcn.presets.suited import is_small, suited_data, suited_views


def icicle_preset(name: str, source: str) -> Config:
    """The configuration a preset of IcicleGCN gives for some data.

    Args:
        name: ``quick``, ``paper`` or ``official``.
        source: What the user calls DATA.
    """
    base = {"quick": _quick, "paper": _paper, "official": _official}[name](source)
    image_size = base.data.image_size
    return dataclasses.replace(
        base,
        data=suited_data(source, image_size),
        views=suited_views(source, image_size, base.views),
    )


def _paper(source: str) -> Config:
    del source
    return Config(data=DataConfig(image_size=224))


def _official(source: str) -> Config:
    """The published code where it departs from the paper, except for its defect in the views."""
    del source
    return Config(
        data=DataConfig(image_size=224),
        pretrain=PretrainConfig(
            batch_size=100, reconstruction="entry_mean", reconstruction_views="view_a"
        ),
        graph=GraphConfig(k=(1, 15), normalization="row"),
        mgcn=MGCNConfig(
            sigma=0.5,
            gamma=0.2,
            autoencoder_weight=0.5,
            shared_weights=True,
            reconstruction="entry_mean",
        ),
    )


def _quick(source: str) -> Config:
    """Small network and short schedules; stage 2 departs from the paper where that measured better.

    Stage 2 starts from a partition of graph-averaged features or code, teaches it to the code,
    starts the streams from the encoder, and trains them to agree across scales and with neighbours.
    """
    small = is_small(source)
    return Config(
        data=DataConfig(image_size=16 if small else 32),
        backbone=BackboneConfig(name="convnet", stem="plain", width=128 if small else 256),
        autoencoder=AutoEncoderConfig(hidden_channels=(256, 256, 512)),
        # Handwriting slants: turned digits are the views that matter most there.
        views=(
            ViewConfig(crop_scale=(0.4, 1.0), rotation=15.0)
            if small
            else ViewConfig(crop_scale=(0.2, 1.0))
        ),
        pretrain=PretrainConfig(
            epochs=80 if small else 40,
            batch_size=128 if small else 256,
            learning_rate=1e-3,
            schedule="cosine",
            reconstruction="entry_mean",
        ),
        mgcn=MGCNConfig(
            gcn_init="encoder",
            centers="either",
            propagation_steps=(0, 3, 6, 12, 24),
            code_warmup_steps=200,
            kmeans_restarts=5,
            iterations=30,
            reconstruction="entry_mean",
            learning_rate=3e-4,
            code_weight=0.01,
            stream_weights=(0.01,),
            neighbor_weight=1.0,
            keep="modularity",
        ),
    )
