"""What two gloo ranks compute of self-labelling and RUC, saved for the tests."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.distributed.ranks import Ranks, use_ranks
from iciclegcn.methods import ruc, self_label
from iciclegcn.methods.classifiers import ClassifierShape, build_classifier
from iciclegcn.nn.classifier import Classifier
from iciclegcn.runtime import Runtime
from tests.distributed.two_ranks import Interrupted, MemoryMonitor

SIDE, NUM_IMAGES = 8, 23
KINDS = ("self_label", "ruc", "ruc_alone")


def tiny_config(**changes: object) -> Config:
    """A network with batch normalisation and a few hundred weights."""
    fixed: dict[str, object] = {
        "num_clusters": 3,
        "data.image_size": SIDE,
        "backbone.name": "convnet",
        "backbone.width": 8,
        "self_label.epochs": 2,
        "self_label.batch_size": 7,  # shares of 3 and 4
        "self_label.learning_rate": 1e-3,
        "self_label.threshold": 0.3,
        "ruc.epochs": 2,
        "ruc.ramp_epochs": 2,
        "ruc.batch_size": 7,
        "ruc.num_neighbors": 6,
        "ruc.learning_rate": 1e-3,
    }
    return build_config(
        Config(), fixed | {name.replace("__", "."): v for name, v in changes.items()}
    )


def images() -> np.ndarray:
    """The images of every test."""
    shape = (NUM_IMAGES, 3, SIDE, SIDE)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def clustering() -> ruc.Clustering:
    """Fourteen clean images and nine unclean ones."""
    assignments = np.arange(NUM_IMAGES) % 3
    confidences = np.where(np.arange(NUM_IMAGES) < 14, 0.995, 0.5).astype(np.float32)
    return ruc.Clustering(assignments, confidences, np.eye(3, dtype=np.float32)[assignments])


def trained(kind: str, state: dict[str, Any] | None = None, stop_after: int = 0) -> dict[str, Any]:
    """A short training: rows, the last state, and the weights if it came to its end."""
    config = tiny_config(
        self_label__average_decay=0.9,
        ruc__co_training=kind != "ruc_alone",
        ruc__mixmatch=kind != "ruc_alone",
    )
    runtime, monitor = Runtime.create(0, "cpu", "fp32"), MemoryMonitor(state, stop_after)
    torch.manual_seed(0)
    classifier = build_classifier(config, ClassifierShape(3))
    assert isinstance(classifier, Classifier)
    try:
        if kind == "self_label":
            model = self_label.self_label(images(), classifier, config, runtime, monitor)
        else:
            backbone = classifier.backbone
            model = ruc.refine(images(), backbone, clustering(), config, runtime, monitor)
    except Interrupted:
        return {"rows": monitor.rows, "state": monitor.state}
    return {"rows": monitor.rows, "state": monitor.state, "weights": model.state_dict()}


def everything(ranks: Ranks, half_way: dict[str, Any]) -> dict[str, Any]:
    """All that the tests compare; every rank calls it with the same arguments."""
    self_label.SAVE_INTERVAL = ruc.SAVE_INTERVAL = -1.0
    found: dict[str, Any] = {}
    for kind in KINDS:
        # The other ranks have no folder to read a state from.
        state = half_way[kind] if ranks.is_main else None
        found[kind] = {"fresh": trained(kind), "resumed": trained(kind, state)}
    return found


def work(rank: int, port: int, folder: Path) -> None:
    """The life of one rank: connect, compute, save."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    control = dist.new_group(backend="gloo", timeout=timedelta(minutes=10))
    ranks = Ranks(rank, 2, rank, 2, control)
    use_ranks(ranks)
    half_way = torch.load(folder / "half_way.pt", weights_only=True)
    torch.save(everything(ranks, half_way), folder / f"rank_{rank}.pt")
    dist.destroy_process_group()
