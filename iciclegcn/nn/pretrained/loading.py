"""A trained network of a configuration: built, described, and given its weights."""

from importlib import import_module
from typing import cast

from iciclegcn.config import BackboneConfig
from iciclegcn.nn.pretrained.facts import NetworkFacts, Shown, Source
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.nn.pretrained.preprocess import Preprocess

_SOURCES = {
    "efficientnet-lite0": ("efficientnet", "EfficientNetLite0"),
    "torchvision": ("torchvision_models", "TorchvisionModels"),
    "timm": ("timm_models", "TimmModels"),
    "file": ("network_files", "FileNetworks"),
}


def network_facts(config: BackboneConfig) -> NetworkFacts:
    """What is known of a network without building it, with what the configuration overrides.

    Args:
        config: Names a trained network.

    Raises:
        UserError: If there is no such network, or its package is absent.
    """
    facts = _source(config).facts(config)
    shown = Shown(
        config.image_size or facts.shown.image_size,
        config.crop or facts.shown.crop,
        facts.shown.interpolation,
        config.mean or facts.shown.mean,
        config.std or facts.shown.std,
    )
    return facts._replace(shown=shown, trained_on=config.trained_on or facts.trained_on)


def build_network(config: BackboneConfig) -> PretrainedNetwork:
    """A network with random weights, for those of a checkpoint or `load_trained_weights`.

    Args:
        config: Names a trained network. Where it is trained on, it takes views of any size as
            they are, unless it has but one.

    Raises:
        UserError: If there is no such network, or its package is absent.
    """
    source, facts = _source(config), network_facts(config)
    network = source.build(config)
    own = getattr(network, "image_size", None)  # a file's network knows its own
    shown = facts.shown
    if config.kind == "file" and isinstance(own, int) and config.image_size is None:
        shown = shown._replace(image_size=own)
    resize = config.is_frozen or config.image_size is not None or facts.fixed
    preprocess = Preprocess(shown, resize=resize, crop=config.crop)
    program = config.kind == "file"  # computes as it was saved
    return PretrainedNetwork(
        network, preprocess, config.name, full_precision=program, channels_last=not program
    )


def load_trained_weights(network: PretrainedNetwork, config: BackboneConfig) -> None:
    """Give a network of `build_network` the weights that the configuration names.

    Raises:
        UserError: If they are absent, damaged, of another network, or cannot be downloaded.
    """
    if config.trained:
        _source(config).load(network.network, config)


def load_backbone(config: BackboneConfig) -> PretrainedNetwork:
    """A trained network as it is used frozen: in evaluation mode, without gradients.

    Args:
        config: Names a trained network.

    Returns:
        Views [N, C, S, S] to features [N, D]; D is its ``num_features``.

    Raises:
        UserError: If the network or its weights cannot be had; says what to do.
    """
    network = build_network(config)
    load_trained_weights(network, config)
    return network.eval().requires_grad_(False)


def _source(config: BackboneConfig) -> Source:
    if config.kind not in _SOURCES:
        raise ValueError(
            f"'backbone.name' must be a trained network (got {config.name}); build_backbone has "
            "the others"
        )
    module, name = _SOURCES[config.kind]
    return cast(Source, getattr(import_module(f"iciclegcn.nn.pretrained.{module}"), name)())
