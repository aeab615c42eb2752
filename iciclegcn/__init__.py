"""Deep image clustering on PyTorch Geometric.

The names below load on first use, so that ``import iciclegcn`` and ``--help`` stay quick.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iciclegcn.config import Config
    from iciclegcn.config.values import build_config
    from iciclegcn.errors import UserError
    from iciclegcn.estimator import IcicleGCN
    from iciclegcn.pipeline import run
    from iciclegcn.prediction.run import Run
    from iciclegcn.presets import preset_config
    from iciclegcn.run_folder.artefacts import RunArtefacts

__version__ = "0.1.0"

__all__ = [
    "Config",
    "IcicleGCN",
    "Run",
    "RunArtefacts",
    "UserError",
    "build_config",
    "preset_config",
    "run",
]

_HOMES = {
    "Config": "iciclegcn.config",
    "Run": "iciclegcn.prediction.run",
    "RunArtefacts": "iciclegcn.run_folder.artefacts",
    "IcicleGCN": "iciclegcn.estimator",
    "UserError": "iciclegcn.errors",
    "build_config": "iciclegcn.config.values",
    "preset_config": "iciclegcn.presets",
    "run": "iciclegcn.pipeline",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'iciclegcn' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
