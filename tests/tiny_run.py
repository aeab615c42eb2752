"""A run of a few seconds, for the tests of everything around the training."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from sklearn.datasets import load_digits

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.presets import preset_config, preset_on_a_run

NUM_IMAGES = 120

TINY: dict[str, object] = {
    "num_clusters": 4,
    "device": "cpu",
    "precision": "fp32",
    "data.image_size": 8,
    "backbone.width": 16,
    "autoencoder.hidden_channels": [16, 16],
    "pretrain.epochs": 2,
    "pretrain.batch_size": 40,
    "pretrain.projection_channels": 8,
    "graph.k": [1, 3],
    "mgcn.iterations": 4,
    "mgcn.propagation_steps": [0, 2],
    "mgcn.code_warmup_steps": 3,
    "mgcn.kmeans_restarts": 2,
}

TINY_GCC: dict[str, object] = {
    **{name: TINY[name] for name in ("num_clusters", "device", "precision", "data.image_size")},
    **{name: TINY[name] for name in ("backbone.width", "graph.k")},
    "gcc.epochs": 4,
    "gcc.batch_size": 40,
    "gcc.first_graph_epoch": 2,
    "gcc.graph_interval": 1,
    "gcc.projection_channels": 8,
}

TINY_FEATURES: dict[str, object] = {
    **{name: value for name, value in TINY.items() if name.startswith(("mgcn.", "graph."))},
    **{name: TINY[name] for name in ("num_clusters", "device", "precision")},
    "autoencoder.hidden_channels": [16, 16],
    "encode.epochs": 2,
    "encode.batch_size": 40,
}

TINY_ON_A_RUN: dict[str, dict[str, object]] = {
    "self-label": {
        "self_label.epochs": 2,
        "self_label.batch_size": 40,
        "self_label.threshold": 0.2,
    },
    "ruc": {
        "ruc.epochs": 2,
        "ruc.batch_size": 20,
        "ruc.confidence_threshold": 0.2,
        "ruc.num_neighbors": 5,
    },
}


def write_images(file: Path, count: int = NUM_IMAGES) -> Path:
    """Write the first digits as an array file and return its path."""
    images = load_digits().images[:count]
    np.save(file, np.rint(images * (255 / 16)).astype(np.uint8))
    return file


def write_labels(file: Path, seed: int | None = None) -> Path:
    """Write the digits' truth, permuted if there is a seed, and return the path."""
    truth = load_digits().target[:NUM_IMAGES]
    if seed is not None:
        truth = np.random.default_rng(seed).permutation(truth)
    rows = "".join(f"{index},{label}\n" for index, label in enumerate(truth))
    file.write_text(f"path,label\n{rows}", encoding="utf-8")
    return file


def tiny_config(images: Path, **changes: object) -> Config:
    """A complete configuration; ``changes`` by dotted name, with ``__`` for the dot."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return build_config(preset_config("quick", str(images)), TINY | named)


def write_features(file: Path, count: int = NUM_IMAGES) -> Path:
    """Write the first digits' pixels as a matrix and return its path."""
    np.save(file, load_digits().data[:count])
    return file


def tiny_features(file: Path, **changes: object) -> Config:
    """The like for a matrix of features."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    start = preset_config("quick", str(file), kind="features")
    return build_config(start, TINY_FEATURES | named)


def tiny_gcc(images: Path, **changes: object) -> Config:
    """The like for GCC."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return build_config(preset_config("quick", str(images), "gcc"), TINY_GCC | named)


def tiny_on_a_run(base: Config, method: str, reference: str = "..", **changes: object) -> Config:
    """The like for a method that begins with a run, with that run's configuration."""
    named = {name.replace("__", "."): value for name, value in changes.items()}
    start = preset_on_a_run(base, method)
    return build_config(start, {**TINY_ON_A_RUN[method], "base": reference, **named})


def tiny_options(values: Mapping[str, object] = MappingProxyType(TINY)) -> list[str]:
    """Such a configuration as words of a command line."""
    words: list[str] = []
    for name, value in values.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words += [f"--{name}", text]
    return words
