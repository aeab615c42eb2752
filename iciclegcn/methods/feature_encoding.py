"""The auto-encoder of stage 1 on features that nothing here trains."""

import math
import time
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iciclegcn.config import Config, EncodeConfig
from iciclegcn.losses.contrastive import cluster_loss
from iciclegcn.losses.self_training import reconstruction_loss
from iciclegcn.methods.optimization import require_finite, restore, take_step, training_state
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.runtime import Runtime

SAVE_INTERVAL = 5.0  # seconds


class EncodeLosses(NamedTuple):
    """The weighted sum and its unweighted terms, scalars."""

    loss: Tensor
    cluster: Tensor
    reconstruction: Tensor


def encode_features(
    x: NDArray[np.float32],
    neighbors: NDArray[np.int64],
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
) -> AutoEncoder:
    """Train the auto-encoder on rows, each with a random one of its neighbours as second view.

    One process's work: a step is a few small products.

    Args:
        x: Features [N, D]; may be memory-mapped.
        neighbors: The nearest rows of each row, itself excluded [N, k].
        config: The run's configuration; ``num_clusters`` must be resolved.
        runtime: Seed, device and precision.
        monitor: Keeps the state every few seconds and restores it.

    Returns:
        The trained auto-encoder, in evaluation mode.

    Raises:
        FloatingPointError: If a loss is no longer finite; names the step and every term.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 4-6; the second view is this library's.
    """
    if config.num_clusters is None:
        raise ValueError("'num_clusters' must be resolved before a model is built (got None)")
    options = config.encode
    runtime.seed_everything("encode")
    widths = config.autoencoder.hidden_channels
    model = AutoEncoder(x.shape[1], widths, config.num_clusters).to(runtime.device)
    optimizer = torch.optim.Adam(
        model.parameters(), options.learning_rate, weight_decay=options.weight_decay, fused=True
    )
    scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
    first_epoch = restore(model, optimizer, scaler, monitor.load(), "epoch")
    batch_size = min(options.batch_size, len(x))
    steps = len(x) // batch_size  # an epoch leaves out a random remainder
    saved_at = time.monotonic()
    model.train()
    for epoch in range(first_epoch, options.epochs):
        order, partner = _draw(neighbors, options, runtime, epoch)
        for position in range(steps):
            step = epoch * steps + position
            _set_learning_rate(optimizer, options, step / (options.epochs * steps))
            rows = order[position * batch_size :][:batch_size]
            pairs = torch.from_numpy(x[np.concatenate([rows, partner[rows]])]).to(runtime.device)
            with runtime.autocast():
                losses = encode_losses(model, pairs, options)
            take_step(losses.loss, optimizer, scaler)
            terms = torch.stack([term.detach().float() for term in losses])
            values = dict(zip(losses._fields, terms.tolist(), strict=True))
            require_finite("encoding", f"step {step}", values)
            monitor.log(step, **values)
            done = (step + 1) * batch_size
            monitor.progress(done, options.epochs * steps * batch_size, unit="row", **values)
        if time.monotonic() - saved_at > SAVE_INTERVAL:
            monitor.save({"epoch": epoch + 1, **training_state(model, optimizer, scaler)})
            saved_at = time.monotonic()
    return model.eval()


def encode_losses(model: AutoEncoder, pairs: Tensor, options: EncodeConfig) -> EncodeLosses:
    """The loss of one batch of rows and their partners.

    Args:
        model: The auto-encoder.
        pairs: [2n, D], n rows, then a neighbour of each.
        options: Temperature, weights and the kind of reconstruction.

    Returns:
        Eq. 5 between rows and neighbours, Eq. 6 over both, and their weighted sum.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 4-7.
    """
    x_hat, code = model(pairs)
    c_a, c_b = code.chunk(2)
    cluster = cluster_loss(c_a, c_b, options.cluster_temperature)
    reconstruction = reconstruction_loss(pairs, x_hat, options.reconstruction)
    loss = options.cluster_weight * cluster + options.reconstruction_weight * reconstruction
    return EncodeLosses(loss, cluster, reconstruction)


def _draw(
    neighbors: NDArray[np.int64], options: EncodeConfig, runtime: Runtime, epoch: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A random order of all rows [N], and a random near neighbour of each [N]."""
    num_rows = len(neighbors)
    near = min(options.neighbors or neighbors.shape[1], neighbors.shape[1])
    generator = runtime.cpu_generator("encode", epoch)
    order = torch.randperm(num_rows, generator=generator).numpy()
    place = torch.randint(near, (num_rows,), generator=generator).numpy()
    return order, neighbors[np.arange(num_rows), place]


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, options: EncodeConfig, progress: float
) -> None:
    rate = options.learning_rate
    if options.schedule == "cosine":
        rate *= 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = rate
