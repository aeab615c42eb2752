"""torchvision's classification networks, without their classifiers."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from iciclegcn.config import BackboneConfig
from iciclegcn.config.networks import RANDOM
from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.facts import (
    SUPERVISED,
    NetworkFacts,
    Shown,
    untold,
    weights_file,
)
from iciclegcn.nn.pretrained.weight_files import load_weights, read_weights

_HEADS = ("fc", "classifier", "heads", "head")
# They warn of their slow initialisation unless asked for it, and trained weights expect inputs
# normalised in two ways at once.
_INCEPTIONS = ("googlenet", "inception_v3")
_TRANSFORMERS = "vit_"
# Names in files that torchvision publishes and replaces as it loads them itself.
_OLD_NAMES = (
    ("densenet", re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.(?=[12]\.)"), r"\1"),
    (_TRANSFORMERS, re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (_TRANSFORMERS, re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)


class TorchvisionModels:
    """Weights by name, from a file, or downloaded by torchvision."""

    def facts(self, config: BackboneConfig) -> NetworkFacts:
        """From torchvision's own description; see `iciclegcn.nn.pretrained.facts.Source`."""
        name, file = _name(config), weights_file(config)
        entry = _entry(name, config, file)
        described = entry or models.get_model_weights(name).DEFAULT
        transforms = described.transforms()
        size = transforms.crop_size[0]
        shown = Shown(
            size,
            size / transforms.resize_size[0],
            transforms.interpolation.value,
            tuple(transforms.mean),
            tuple(transforms.std),
        )
        # Transformers have a learned place for each patch; the windows of the others move.
        fixed = name.startswith((_TRANSFORMERS, "maxvit_"))
        if entry is None:
            told = untold(file) if file is not None else RANDOM
            return NetworkFacts(RANDOM if file is None else file.name, told, shown, fixed)
        return NetworkFacts(entry.name, _trained_on(entry), shown, fixed)

    def build(self, config: BackboneConfig) -> nn.Module:
        """The network with an identity in the place of its classifier's last layer."""
        name = _name(config)
        options: dict[str, Any] = {}
        if name in _INCEPTIONS:
            options = {"init_weights": True, "transform_input": config.trained}
        if name.startswith(_TRANSFORMERS):
            options = {"image_size": self._side(config)}
        network = _get_model(name, config, options)
        _, path = _last_layer(network)
        parent, _, leaf = path.rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Identity())
        return network

    def load(self, network: nn.Module, config: BackboneConfig) -> None:
        """Weights of a file, or torchvision's, which it downloads once and keeps."""
        name, file = _name(config), weights_file(config)
        if file is not None:
            weights, origin = read_weights(file), f"'{file}'"
        else:
            weights, origin = _downloaded(name, config), f"'{config.weights}'"
        with torch.device("meta"):
            _, head = _last_layer(models.get_model(name, weights=None, **_quiet(name)))
        load_weights(network, _with_todays_names(name, weights), [head], origin)

    def _side(self, config: BackboneConfig) -> int:
        """The side in pixels that a transformer is built for: its weights have a place for each."""
        entry = _entry(_name(config), config, weights_file(config))
        own = self.facts(config).shown.image_size
        return own if entry is not None else config.image_size or own


class _VersionlessMNASNet(models.MNASNet):  # type: ignore[misc] # torchvision has no types
    """MNASNet whose weights may come without their version: plain tensors keep none."""

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *others: Any
    ) -> None:
        told = {"version": self._version, **local_metadata}
        super()._load_from_state_dict(state_dict, prefix, told, *others)


def _name(config: BackboneConfig) -> str:
    name = config.name.partition(":")[2]
    known = models.list_models(module=models)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean 'torchvision:{close[0]}'?" if close else ""
        raise UserError(f"torchvision has no classification network '{name}'{hint}")
    return name


def _get_model(name: str, config: BackboneConfig, options: Mapping[str, Any]) -> nn.Module:
    try:
        network: nn.Module = models.get_model(name, weights=None, **options)
    except AssertionError as error:  # a side that is no whole number of patches
        raise UserError(
            f"'{config.name}' does not take images of {options['image_size']} pixels ({error}); "
            "give a size that it was made for with --backbone.image_size"
        ) from error
    return _VersionlessMNASNet(network.alpha) if isinstance(network, models.MNASNet) else network


def _with_todays_names(name: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names that the network has, whatever torchvision they were saved with."""
    renamed = dict(weights)
    for family, pattern, today in _OLD_NAMES:
        if name.startswith(family):
            renamed = {pattern.sub(today, key): value for key, value in renamed.items()}
    return renamed


def _entry(name: str, config: BackboneConfig, file: Path | None) -> Any:
    """torchvision's entry for the weights; None: random ones, or a file that it does not know."""
    entries = models.get_model_weights(name)
    if config.weights == RANDOM:
        return None
    if file is not None:
        return next((entry for entry in entries if Path(entry.url).name == file.name), None)
    if config.weights is None:
        return entries.DEFAULT
    found = entries.__members__.get(config.weights)
    if found is None:
        known = ", ".join(entry.name for entry in entries)
        raise UserError(
            f"'backbone.weights' of {config.name} must be one of {known}, a file, or random (got "
            f"{config.weights!r})"
        )
    return found


def _trained_on(entry: Any) -> str:
    if "SWAG" in entry.name:  # Singh et al. (2022): hashtags first
        return f"{SUPERVISED}, after weak supervision by hashtags"
    return SUPERVISED


def _downloaded(name: str, config: BackboneConfig) -> Any:
    entry = _entry(name, config, None)
    try:
        return entry.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no connection; a file of another hash
        raise UserError(
            f"torchvision's weights {entry.name} of {name} cannot be downloaded "
            f"({' '.join(str(error).split())[:120]}); give a file of them with --backbone.weights "
            f"FILE, such as {Path(entry.url).name}"
        ) from error


def _last_layer(network: nn.Module) -> tuple[nn.Module, str]:
    """The classifier's last layer with weights, and its dotted name."""
    head = next(name for name in _HEADS if hasattr(network, name))
    found = [
        (layer, f"{head}.{name}".rstrip("."))
        for name, layer in network.get_submodule(head).named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    return found[-1]


def _quiet(name: str) -> dict[str, bool]:
    return {"init_weights": False} if name in _INCEPTIONS else {}
