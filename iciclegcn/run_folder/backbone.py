"""What a run's folder tells of its trained backbone: ``backbone.json``."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from iciclegcn.config import BackboneConfig, Config
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.loading import load_backbone, network_facts
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.base import base_of
from iciclegcn.run_folder.files import read_json, write_json
from iciclegcn.run_folder.scaling import read_scaling

_FILE = "backbone.json"
_FULL = "fp32"


def write_backbone(
    folder: Path,
    config: BackboneConfig,
    network: PretrainedNetwork | None = None,
    precision: str = _FULL,
) -> None:
    """Write what the run's backbone is and what its weights were trained on, if they were.

    Args:
        folder: The run folder.
        config: Names the backbone.
        network: The frozen network that gave the features; None: training began with it.
        precision: What it computed them in, unless it always computes in float32.
    """
    if not config.trained:
        return
    facts = network_facts(config)
    shown = facts.shown if network is None else network.preprocess.shown
    content: dict[str, Any] = {
        "name": config.name,
        "weights": facts.weights,
        "trained_on": facts.trained_on,
        "frozen": network is not None,
        "shown": shown._asdict(),
    }
    if network is not None:
        content |= {
            "num_features": network.num_features,
            "sha256": network.fingerprint(),
            "precision": _FULL if network.full_precision else precision,
        }
    write_json(folder / _FILE, content)


def read_backbone(folder: Path, config: Config) -> dict[str, Any] | None:
    """What is told of the trained backbone of a run, or of the run that it began with.

    Args:
        folder: The run folder.
        config: The run's configuration.

    Returns:
        ``name``, ``weights``, ``trained_on``, ``frozen`` and more; None: the run began at random.
    """
    while not (folder / _FILE).is_file():
        if config.base is None:
            return None
        base = base_of(folder, config)
        folder, config = base.path, base.config
    return read_json(folder / _FILE)


def frozen_backbone(folder: Path, config: Config) -> PretrainedNetwork:
    """The network that gave a run's features, for features of further images.

    Args:
        folder: The run folder, whose features are there.
        config: The run's configuration, with a frozen backbone.

    Returns:
        Evaluation views [N, C, S, S] to features [N, D], computed and scaled as the run's were.

    Raises:
        UserError: If the network or its weights cannot be had, or are no longer the same.
    """
    told = read_json(folder / _FILE)
    network = load_backbone(config.backbone)
    if network.fingerprint() != told.get("sha256"):
        source = config.backbone.weights or config.backbone.name
        raise UserError(
            f"the weights of the backbone '{source}' are not those that gave the features of "
            f"'{os.fspath(folder)}'; restore them"
        )
    network.full_precision = _precision(told) == _FULL
    scaling = read_scaling(RunArtefacts(folder))
    network.scale_features(torch.from_numpy(scaling.center), scaling.scale)
    return network


def feature_precision(folder: Path) -> str:
    """What a frozen backbone computed a run's features in: ``fp32``, ``bf16`` or ``fp16``.

    Args:
        folder: The run folder, whose features are there.
    """
    return _precision(read_json(folder / _FILE))


def _precision(told: Mapping[str, Any]) -> str:
    # Earlier versions did not tell: their features may be float32, held against nothing.
    return str(told.get("precision", _FULL))
