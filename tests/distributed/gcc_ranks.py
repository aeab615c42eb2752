"""What two gloo ranks compute of GCC, saved for the tests."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.distributed.ranks import Ranks, use_ranks
from iciclegcn.methods import gcc
from iciclegcn.methods.gcc import build_gcc_model, train_gcc
from iciclegcn.methods.gcc_batches import ImagePool, epoch_batches
from iciclegcn.methods.gcc_graph import NeighborGraph, search_graph
from iciclegcn.methods.gcc_losses import gcc_losses
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.synced_batch_norm import synchronise_batch_norm
from iciclegcn.runtime import Runtime
from tests.distributed.two_ranks import Interrupted, MemoryMonitor

SIDE, NUM_IMAGES, NUM_EXTRA = 8, 23, 6
VARIANTS: dict[str, dict[str, object]] = {
    "contrast": {"num_heads": 2},
    "scan": {"assignment_loss": "scan", "contrast_neighbors": 0},
}


def tiny_config(**changes: object) -> Config:
    """A network with batch normalisation and a few hundred weights; changes to GCC."""
    fixed: dict[str, object] = {
        "num_clusters": 3,
        "data.image_size": SIDE,
        "backbone.name": "convnet",
        "backbone.width": 8,
        "gcc.epochs": 4,
        "gcc.batch_size": 8,  # 23 images: batches of 8, 8 and 7, shares of 4 and 3
        "gcc.learning_rate": 1e-2,
        "gcc.temperature": 0.5,  # at 0.1 the rounding of fp32 is ten times as large
        "gcc.projection_channels": 5,
        "gcc.first_graph_epoch": 2,
        "gcc.graph_interval": 1,
    }
    return build_config(Config(), fixed | {f"gcc.{k}": v for k, v in changes.items()})


def images(n: int = NUM_IMAGES, seed: int = 0) -> NDArray[np.uint8]:
    """The images of every test."""
    shape = (n, 3, SIDE, SIDE)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def searched(ranks: Ranks) -> dict[str, Tensor]:
    """The graph of rows that only rank 0 has."""
    rows = np.random.default_rng(2).standard_normal((37, 5)).astype(np.float32)
    rows[5:9] = rows[5]
    own = torch.from_numpy(rows) if ranks.is_main else None
    runtime = Runtime.create(0, "cpu", "fp32")
    return search_graph(own, Config(), runtime, NullMonitor())._asdict()


def losses_and_gradients(config: Config, ranks: Ranks) -> dict[str, Tensor]:
    """Every term and every parameter's gradient of the first batch with a graph."""
    runtime = Runtime.create(0, "cpu", "fp32")
    graph = NeighborGraph(**searched_alone())
    torch.manual_seed(0)
    network = build_gcc_model(config, 3)
    if ranks.size > 1:
        synchronise_batch_norm(network)
    batch = list(epoch_batches(ImagePool(images()), graph, config, runtime, 0))[-1]
    losses = gcc_losses(network, batch, config.gcc, runtime)
    losses.loss.backward()  # type: ignore[no-untyped-call]
    ranks.average_gradients(network)
    found = {name: ranks.mean(term.detach()) for name, term in losses.values().items()}
    assert losses.heads is not None
    found |= {"z_b": losses.z_b, "sizes": losses.heads.sizes}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            found[f"gradient of {name}"] = parameter.grad
    return found


def searched_alone() -> dict[str, Tensor]:
    """A graph of the images that needs no search."""
    rows = torch.arange(NUM_IMAGES)
    lists = torch.stack([(rows + step) % NUM_IMAGES for step in (0, 3, 5, 8, 1, 2)], dim=1)
    return {"lists": lists, "weight": 1 / (1 + rows.float())}


def trained(state: dict[str, Any] | None = None, stop_after: int = 0) -> dict[str, Any]:
    """A short training: rows, the last state, and the weights if it came to its end."""
    config, runtime = tiny_config(num_heads=2, keep="loss"), Runtime.create(0, "cpu", "fp32")
    monitor = MemoryMonitor(state, stop_after)
    extra = images(NUM_EXTRA, seed=1)
    try:
        model = train_gcc(images(), config, runtime, monitor, extra_images=extra)
    except Interrupted:
        return {"rows": monitor.rows, "state": monitor.state}
    return {"rows": monitor.rows, "state": monitor.state, "weights": model.state_dict()}


def everything(ranks: Ranks, half_way: dict[str, Any]) -> dict[str, Any]:
    """All that the tests compare; every rank calls it with the same arguments."""
    gcc.SAVE_INTERVAL = -1.0
    found: dict[str, Any] = {
        name: losses_and_gradients(tiny_config(**changes), ranks)
        for name, changes in VARIANTS.items()
    }
    found["searched"] = searched(ranks)
    found["fresh"] = trained()
    found["resumed"] = trained(half_way if ranks.is_main else None)  # the others have no folder
    found["stopped"] = trained(stop_after=2)
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
