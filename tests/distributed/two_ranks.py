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

from iciclegcn.config import Config
from iciclegcn.config_values import build_config
from iciclegcn.distributed.ranks import Ranks, use_ranks
from iciclegcn.methods import pretraining
from iciclegcn.methods.pretraining import PretrainModel, embed, pretrain, pretrain_losses
from iciclegcn.monitor import NullMonitor
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
    step = pretraining.TrainingStep(network, config.pretrain, ranks)
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


def everything(ranks: Ranks, half_way: dict[str, Any]) -> dict[str, Any]:
    """All that the tests compare; every rank calls it with the same arguments."""
    pretraining.SAVE_INTERVAL = -1.0
    found: dict[str, Any] = {"normalised": normalised(ranks)}
    for name, changes in VARIANTS.items():
        found[name] = losses_and_gradients(tiny_config(**changes), ranks)
    found["fresh"] = trained()
    found["resumed"] = trained(half_way)
    found["stopped"] = trained(stop_after=1)
    config = tiny_config()
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
    ranks = Ranks(rank, 2, rank, control)
    use_ranks(ranks)
    half_way = torch.load(folder / "half_way.pt", weights_only=True)
    torch.save(everything(ranks, half_way), folder / f"rank_{rank}.pt")
    dist.destroy_process_group()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


__all__ = ["everything", "free_port", "pretrain_losses", "work"]
