"""What two gloo ranks compute, saved for the tests: one start of two processes serves them all."""

import copy
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from graphs import NeighborIndex, knn, scale_graphs
from iciclegcn.config import Config, MGCNConfig
from iciclegcn.config.values import build_config
from iciclegcn.distributed.ranks import Ranks, use_ranks
from iciclegcn.methods import pretraining
from iciclegcn.methods.cell_batches import CellBatches
from iciclegcn.methods.icicle import train_steps
from iciclegcn.methods.pretrain_model import TrainingStep
from iciclegcn.methods.pretraining import PretrainModel, embed, pretrain
from iciclegcn.methods.sharded_knn import join_neighbors, sharded_neighbors
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.nn.synced_batch_norm import synchronise_batch_norm
from iciclegcn.runtime import Runtime

SIDE, BATCH, NUM_IMAGES = 8, 7, 23
VARIANTS: dict[str, dict[str, object]] = {
    "default": {},
    "variants": {
        "mask_self": False,
        "cluster_loss_views": "view_a_twice",
        "reconstruction": "entry_mean",
        "reconstruction_views": "view_a",
        "instance_weight": 0.5,
    },
}


class Interrupted(Exception):
    """What the monitor raises in place of a power cut."""


class MemoryMonitor(NullMonitor):
    """Keeps the last state and all rows; may stop the run after an epoch."""

    def __init__(self, state: dict[str, Any] | None = None, stop_after: int = 0) -> None:
        self.state, self._stop_after = state, stop_after
        self.rows: list[dict[str, float]] = []

    def load(self) -> dict[str, Any] | None:
        return copy.deepcopy(self.state)  # the optimizer goes on in these tensors

    def save(self, state: dict[str, Any]) -> None:
        self.state = copy.deepcopy(state)
        if state["epoch"] == self._stop_after:
            raise Interrupted

    def log(self, step: int, **values: float) -> None:
        del step
        self.rows.append(values)


def tiny_config(**changes: object) -> Config:
    """A network with batch normalisation and a few hundred weights; changes to stage 1."""
    fixed: dict[str, object] = {
        "num_clusters": 3,
        "data.image_size": SIDE,
        "backbone.name": "convnet",
        "backbone.width": 8,
        "autoencoder.hidden_channels": (6,),
        "pretrain.epochs": 2,
        "pretrain.batch_size": BATCH,
        "pretrain.learning_rate": 1e-3,
        "pretrain.projection_channels": 5,
    }
    return build_config(Config(), fixed | {f"pretrain.{k}": v for k, v in changes.items()})


def images() -> np.ndarray:
    """The images of every test, uint8."""
    shape = (NUM_IMAGES, 3, SIDE, SIDE)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def model(config: Config) -> PretrainModel:
    """The networks with the same weights everywhere."""
    torch.manual_seed(0)
    return PretrainModel(config, 3)


def views() -> Tensor:
    """Both views of a batch of an odd number of images: the ranks' shares differ in length."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2 * BATCH, 3, SIDE, SIDE, generator=generator)


def losses_and_gradients(config: Config, ranks: Ranks) -> dict[str, Tensor]:
    """Every term and every parameter's gradient of one batch, over all ranks."""
    network = model(config)
    batch = views().view(2, BATCH, 3, SIDE, SIDE)[:, ranks.share(BATCH)].flatten(0, 1)
    if ranks.size > 1:
        synchronise_batch_norm(network)
    step = TrainingStep(network, config.pretrain, ranks)
    together = ranks.train_together(step)  # averages gradients as long as it lives
    losses = together(batch, BATCH)
    losses.loss.backward()
    found = {name: ranks.mean(term.detach()) for name, term in losses._asdict().items()}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            found[f"gradient of {name}"] = parameter.grad
    return found | {f"buffer {name}": buffer for name, buffer in network.named_buffers()}


def normalised(ranks: Ranks) -> dict[str, Tensor]:
    """A batch normalisation of shares of different length: output, gradients, statistics."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(5, 4, 3, 2, generator=generator, dtype=torch.float64) + 100
    wanted = torch.randn(5, 4, 3, 2, generator=generator, dtype=torch.float64)
    network = nn.Sequential(nn.BatchNorm2d(4, momentum=0.3)).double()
    if ranks.size > 1:
        synchronise_batch_norm(network)
    own = x[ranks.share(5)].requires_grad_()
    y = network(own)
    (y * wanted[ranks.share(5)]).square().sum().backward()
    assert own.grad is not None
    found = {"output": ranks.gather(y.detach(), 5), "input": ranks.gather(own.grad, 5)}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        found[name] = ranks.mean(parameter.grad) * ranks.size
    return found | dict(network.named_buffers())


def trained(state: dict[str, Any] | None = None, stop_after: int = 0) -> dict[str, Any]:
    """A short stage 1: rows, the last state and the features of every image."""
    config, runtime = tiny_config(), Runtime.create(0, "cpu", "fp32")
    monitor = MemoryMonitor(state, stop_after)
    try:
        network = pretrain(images(), config, runtime, monitor)
    except Interrupted:
        return {"rows": monitor.rows, "state": monitor.state}
    features = embed(images(), network, config, runtime, NullMonitor(), batch_size=4)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return {
        "rows": monitor.rows,
        "state": monitor.state,
        "weights": weights,
        "features": torch.from_numpy(features),
    }


def clustered(ranks: Ranks) -> list[dict[str, float]]:
    """The rows of a stage 2 in cells without edges between them, so that no share loses any."""
    cells = np.repeat(np.arange(4), (6, 10, 13, 19))
    noise = np.random.default_rng(1).standard_normal((len(cells), 6)).astype(np.float32)
    x = noise + 50 * np.eye(4, 6, dtype=np.float32)[cells]
    graphs = scale_graphs(knn(x, 3), (1, 3))
    options = MGCNConfig(iterations=6, cells_per_step=4, learning_rate=1e-3, neighbor_weight=0)
    runtime, monitor = Runtime.create(0, "cpu", "fp32"), MemoryMonitor()
    nodes = CellBatches(x, graphs, cells, options, runtime)
    torch.manual_seed(0)
    network = MGCN(AutoEncoder(6, (8, 12), 3), 2)
    train_steps(network, nodes, None, options, runtime, monitor, None, 0.0)
    assert runtime.ranks is ranks or ranks.size == 1
    return monitor.rows


def searched(ranks: Ranks, folder: Path) -> dict[str, Tensor]:
    """Neighbours of rows with many duplicates, searched for by all ranks."""
    x = np.random.default_rng(2).standard_normal((37, 5)).astype(np.float32)
    x[5:17] = x[5]
    k, index = 4, NeighborIndex.build(x, 4, memory_gib=0.5)
    if ranks.is_main:
        index.save(folder)
    ranks.barrier()
    if not ranks.is_main:
        join_neighbors(folder, x, k, ranks)
        return {}
    found = index.neighbors() if ranks.size == 1 else sharded_neighbors(index, x, k, ranks)
    return {
        "indices": torch.from_numpy(found.indices),
        "distances": torch.from_numpy(found.squared_distances),
    }


def everything(ranks: Ranks, half_way: dict[str, Any], folder: Path) -> dict[str, Any]:
    """All that the tests compare; every rank calls it with the same arguments."""
    pretraining.SAVE_INTERVAL = -1.0
    found: dict[str, Any] = {"normalised": normalised(ranks)}
    for name, changes in VARIANTS.items():
        found[name] = losses_and_gradients(tiny_config(**changes), ranks)
    found["fresh"] = trained()
    found["resumed"] = trained(half_way)
    found["stopped"] = trained(stop_after=1)
    config = tiny_config()
    found["clustered"] = clustered(ranks)
    found["searched"] = searched(ranks, folder / f"index_of_{ranks.size}")
    found["embedded"] = torch.from_numpy(
        embed(images(), model(config), config, Runtime.create(0, "cpu", "fp32"), NullMonitor(), 4)
    )
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
    torch.save(everything(ranks, half_way, folder), folder / f"rank_{rank}.pt")
    dist.destroy_process_group()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
