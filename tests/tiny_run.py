"""A run of a few seconds, for the tests of everything around the training."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from iciclegcn.config import Config
from iciclegcn.config_values import build_config
from iciclegcn.presets import preset_config

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


def tiny_options() -> list[str]:
    """The same configuration as words of a command line."""
    words: list[str] = []
    for name, value in TINY.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    return words
