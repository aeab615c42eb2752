"""Projection heads on backbone features."""

from torch import nn


def instance_head(in_channels: int, out_channels: int = 128) -> nn.Sequential:
    """The instance projection: features [N, D] to [N, out_channels], not yet normalised.

    Source:
        IcicleGCN (Xu et al., 2024), Section 3.2: two fully-connected layers.
    """
    return nn.Sequential(
        nn.Linear(in_channels, in_channels),
        nn.ReLU(inplace=True),
        nn.Linear(in_channels, out_channels),
    )
