"""Layers and networks; each name loads only the module it lives in."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iciclegcn.nn.autoencoder import AutoEncoder as AutoEncoder
    from iciclegcn.nn.fusion_gcn import FusionGCN as FusionGCN
    from iciclegcn.nn.fusion_gcn_conv import FusionGCNConv as FusionGCNConv
    from iciclegcn.nn.mgcn import MGCN as MGCN
    from iciclegcn.nn.propagate import Propagation as Propagation
    from iciclegcn.nn.propagate import prepare_propagation as prepare_propagation
    from iciclegcn.nn.soft_assignment import SoftAssignment as SoftAssignment

_HOMES = {
    "AutoEncoder": "autoencoder",
    "FusionGCN": "fusion_gcn",
    "FusionGCNConv": "fusion_gcn_conv",
    "MGCN": "mgcn",
    "Propagation": "propagate",
    "SoftAssignment": "soft_assignment",
    "prepare_propagation": "propagate",
}

__all__ = [
    "MGCN",
    "AutoEncoder",
    "FusionGCN",
    "FusionGCNConv",
    "Propagation",
    "SoftAssignment",
    "prepare_propagation",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that a layer never pulls in the backbones."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
