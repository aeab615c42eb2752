"""Stage 1 of IcicleGCN: contrastive pretraining of backbone, projection and auto-encoder."""

import math
import time

import numpy as np
import torch
from torch import Tensor

from iciclegcn.config import Config, PretrainConfig
from iciclegcn.data.views import Among, random_views
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.errors import UserError
from iciclegcn.methods.embedding import embed
from iciclegcn.methods.optimization import require_finite, restore, take_step, training_state
from iciclegcn.methods.pretrain_model import (
    PretrainLosses,
    PretrainModel,
    TrainingStep,
    pretrain_losses,
)
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.backbone import start_trained
from iciclegcn.nn.synced_batch_norm import synchronise_batch_norm
from iciclegcn.runtime import Runtime

__all__ = ["PretrainLosses", "PretrainModel", "embed", "pretrain", "pretrain_losses"]

SAVE_INTERVAL = 5.0  # seconds


def pretrain(
    images: np.ndarray, config: Config, runtime: Runtime, monitor: StageMonitor
) -> PretrainModel:
    """Train backbone, projection and auto-encoder on unlabelled images.

    Args:
        images: uint8 [N, C, S, S], in memory or memory-mapped.
        config: The run's configuration.
        runtime: Seed, device and precision.
        monitor: Keeps the state after each epoch and restores it.

    Returns:
        The trained model, in evaluation mode.

    Raises:
        FloatingPointError: If a loss is no longer finite; names the step and every term.
        UserError: If there are more processes than images in a batch, or the backbone's trained
            weights cannot be had.

    Source:
        IcicleGCN (Xu et al., 2024), Algorithm 1, steps 1-6.
    """
    options, ranks = config.pretrain, runtime.ranks
    runtime.seed_everything("pretrain")
    model = PretrainModel(config, images.shape[1])
    size = config.data.image_size or images.shape[-1]
    start_trained(model.backbone, config.backbone, size)
    model = model.to(runtime.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(
        model.parameters(), options.learning_rate, weight_decay=options.weight_decay, fused=True
    )
    scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
    batch_size = _batch_size(options, len(images), ranks)
    steps = len(images) // batch_size  # an epoch leaves out a random remainder
    first_epoch = restore(model, optimizer, scaler, ranks.broadcast(monitor.load()), "epoch")
    if ranks.size > 1:
        synchronise_batch_norm(model)
    network = ranks.train_together(TrainingStep(model, options, ranks))
    saved_at = time.monotonic()
    model.train()
    for epoch in range(first_epoch, options.epochs):
        generator = runtime.generator("pretrain", epoch)
        order = torch.randperm(len(images), generator=runtime.cpu_generator("order", epoch))
        for position in range(steps):
            step = epoch * steps + position
            _set_learning_rate(optimizer, options, step, steps)
            rows = np.sort(order[position * batch_size :][:batch_size].numpy())
            views = _views(images, rows, config, runtime, generator)
            with runtime.autocast():
                losses = network(views, batch_size)
            take_step(losses.loss, optimizer, scaler)
            values = _values(losses, ranks)
            require_finite("pretraining", f"step {step}", values)
            monitor.log(step, **values)
            monitor.progress(
                (step + 1) * batch_size, options.epochs * steps * batch_size, unit="image", **values
            )
        # Very short epochs are kept every few seconds: at most that much is ever repeated.
        if time.monotonic() - saved_at > SAVE_INTERVAL or epoch + 1 == options.epochs:
            monitor.save({"epoch": epoch + 1, **training_state(model, optimizer, scaler)})
            saved_at = time.monotonic()
    return model.eval()


def _batch_size(options: PretrainConfig, num_images: int, ranks: Ranks) -> int:
    """Images a step, on all ranks together."""
    batch_size = min(options.batch_size, num_images)
    if batch_size < ranks.size:
        raise UserError(
            f"'pretrain.batch_size' must be at least the number of processes, {ranks.size} (got "
            f"{batch_size}); raise it, or start fewer with --devices"
        )
    return batch_size


def _views(
    images: np.ndarray,
    rows: np.ndarray,
    config: Config,
    runtime: Runtime,
    generator: torch.Generator,
) -> Tensor:
    """Two random views [2n, C, S, S] of this rank's share of a batch of rows."""
    share = runtime.ranks.share(len(rows))
    batch = torch.from_numpy(images[rows[share]]).to(runtime.device)
    size = config.data.image_size or batch.shape[-1]
    among = None
    if runtime.ranks.size > 1:
        # Every rank draws for the whole batch: its views are the same on any number of ranks.
        places = torch.arange(share.start, share.stop)
        among = Among(torch.cat([places, places + len(rows)]), 2 * len(rows))
    return random_views(
        batch.repeat(2, 1, 1, 1), size, config.views, generator, runtime.compute_dtype, among
    )


def _values(losses: PretrainLosses, ranks: Ranks) -> dict[str, float]:
    """Every term of the whole batch by name, the same on every rank."""
    terms = ranks.mean(torch.stack([term.detach().float() for term in losses]))
    return dict(zip(losses._fields, terms.tolist(), strict=True))


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, options: PretrainConfig, step: int, steps_per_epoch: int
) -> None:
    rate = options.learning_rate
    if options.schedule == "cosine":
        progress = step / (options.epochs * steps_per_epoch)
        rate *= 0.5 * (1 + math.cos(math.pi * progress)) * min(1.0, (step + 1) / steps_per_epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
