"""timm's networks, without their classifiers."""

import difflib
import logging
from pathlib import Path
from typing import Any

from torch import nn

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

_INTERPOLATIONS = ("bilinear", "bicubic")
_IMAGENETS = ("in1k", "in12k", "in21k", "in22k")


class TimmModels:
    """Weights by tag, from a file, or downloaded by timm."""

    def facts(self, config: BackboneConfig) -> NetworkFacts:
        """From timm's own description; see `iciclegcn.nn.pretrained.facts.Source`."""
        known, file = _description(config), weights_file(config)
        data = _timm().data.resolve_data_config(pretrained_cfg=known.to_dict())
        way = data["interpolation"]
        shown = Shown(
            data["input_size"][-1],
            data["crop_pct"],
            way if way in _INTERPOLATIONS else "bicubic",
            tuple(data["mean"]),
            tuple(data["std"]),
        )
        if file is not None:
            return NetworkFacts(file.name, untold(file), shown, known.fixed_input_size)
        if config.weights == RANDOM:
            return NetworkFacts(RANDOM, RANDOM, shown, known.fixed_input_size)
        return NetworkFacts(
            known.tag or "timm's", _trained_on(known), shown, known.fixed_input_size
        )

    def build(self, config: BackboneConfig) -> nn.Module:
        """The network with its pooling and without its classifier."""
        return _create(config, pretrained=False)

    def load(self, network: nn.Module, config: BackboneConfig) -> None:
        """Weights of a file, or timm's, which it downloads once and keeps; read as data."""
        file = weights_file(config)
        if file is not None:
            _load_file(network, config, file)
            return
        try:
            trained = _create(config, pretrained=True)
        # Whatever breaks between here and a hub.
        except Exception as error:
            raise UserError(
                f"timm's weights of {config.name} cannot be downloaded ({_reason(error)}); give a "
                "file of them with --backbone.weights FILE"
            ) from error
        network.load_state_dict(trained.state_dict())


def _timm() -> Any:
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise UserError(
            "a backbone timm:NAME needs the package timm: pip install 'iciclegcn[timm]'"
        ) from error
    return timm


def _full_name(config: BackboneConfig) -> str:
    """timm's ``NAME.TAG``."""
    name = config.name.partition(":")[2]
    by_tag = config.weights is not None and config.weights != RANDOM
    if by_tag and weights_file(config) is None:
        return f"{name.partition('.')[0]}.{config.weights}"
    return name


def _description(config: BackboneConfig) -> Any:
    timm, name = _timm(), _full_name(config)
    plain = name.partition(".")[0]
    if not timm.is_model(plain):
        close = difflib.get_close_matches(plain, timm.list_models(), n=1)
        hint = f"; did you mean 'timm:{close[0]}'?" if close else ""
        raise UserError(f"timm has no network '{plain}'{hint}")
    try:
        known = timm.get_pretrained_cfg(name)
    except RuntimeError:  # no such tag
        known = None
    if known is None:
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{plain}.*")]
        raise UserError(
            f"timm knows no weights '{name.partition('.')[2]}' of {plain}; it knows "
            f"{', '.join(tags) or 'none'}"
        )
    return known


def _create(config: BackboneConfig, **options: Any) -> nn.Module:
    known = _description(config)
    if config.image_size is not None and known.fixed_input_size:
        options["img_size"] = config.image_size
    logging.getLogger("timm").setLevel(logging.ERROR)  # it tells of every step otherwise
    options = {"num_classes": 0, **options}
    network: nn.Module = _timm().create_model(_full_name(config), **options)
    return network


def _load_file(network: nn.Module, config: BackboneConfig, file: Path) -> None:
    """Weights by timm's names, or by those of the authors, which timm translates."""
    weights, known = read_weights(file), _description(config)
    heads = known.classifier or ()
    try:
        load_weights(network, weights, (heads,) if isinstance(heads, str) else heads, f"'{file}'")
        return
    except UserError as error:
        misfit = error
    # With its classifier: without one timm takes whatever it finds in a file, or nothing at all.
    overlay = {"file": str(file)}
    try:
        whole: Any = _create(
            config, num_classes=known.num_classes, pretrained=True, pretrained_cfg_overlay=overlay
        )
        whole.reset_classifier(0)
        network.load_state_dict(whole.state_dict())
    except Exception:  # names or shapes of another network: the first try tells which
        raise misfit from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _trained_on(known: Any) -> str:
    """What timm tells of weights: their tag, and whether they name classes."""
    tag = known.tag or ""
    if known.num_classes and any(word in tag for word in _IMAGENETS):
        return SUPERVISED
    if known.num_classes:
        return f"timm's weights '{tag}', a supervised classifier or one of texts"
    return f"timm's weights '{tag}', which name no classes"
