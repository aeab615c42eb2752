"""Stage 1 of IcicleGCN: contrastive pretraining of backbone, projection and auto-encoder."""

import math
import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from iciclegcn.config import Config, PretrainConfig
from iciclegcn.data.views import evaluation_view, random_views
from iciclegcn.losses.contrastive import cluster_loss, instance_loss
from iciclegcn.losses.self_training import reconstruction_loss
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.backbone import build_backbone
from iciclegcn.nn.heads import instance_head
from iciclegcn.runtime import Runtime

SAVE_INTERVAL = 5.0  # seconds


class PretrainModel(nn.Module):
    """Backbone, instance projection (ISM) and auto-encoder (JC-SLIM) under one roof.

    Args:
        config: The run's configuration; ``num_clusters`` must be resolved.
        in_channels: Channels of the images, 1 or 3.

    Source:
        IcicleGCN (Xu et al., 2024), Sections 3.1-3.3.
    """

    def __init__(self, config: Config, in_channels: int) -> None:
        super().__init__()
        if config.num_clusters is None:
            raise ValueError("'num_clusters' must be resolved before a model is built (got None)")
        self.backbone, self.num_features = build_backbone(config.backbone, in_channels)
        self.instance_head = instance_head(self.num_features, config.pretrain.projection_channels)
        self.autoencoder = AutoEncoder(
            self.num_features, config.autoencoder.hidden_channels, config.num_clusters
        )

    def forward(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to features x [N, D]."""
        features: Tensor = self.backbone(views)
        return features


class PretrainLosses(NamedTuple):
    """The weighted sum of Eq. 7 and its unweighted terms, scalars."""

    loss: Tensor
    instance: Tensor
    cluster: Tensor
    reconstruction: Tensor


def pretrain_losses(model: PretrainModel, views: Tensor, config: PretrainConfig) -> PretrainLosses:
    """The loss of one batch of view pairs.

    Args:
        model: Backbone and heads.
        views: [2N, C, S, S], the first views of all images, then the second views.
        config: Temperatures, weights and variants.

    Returns:
        Eq. 3, Eq. 5, Eq. 6 and their sum, Eq. 7.

    Source:
        IcicleGCN (Xu et al., 2024), Section 3.2-3.3.
    """
    x = model(views)  # [2N, D]
    z_a, z_b = model.instance_head(x).chunk(2)
    x_hat, code = model.autoencoder(x)
    c_a, c_b = code.chunk(2)
    if config.cluster_loss_views == "view_a_twice":
        c_b = c_a  # The published code's defect: the second view never reaches the cluster loss.
    if config.reconstruction_views == "view_a":
        x, x_hat = x.chunk(2)[0], x_hat.chunk(2)[0]
    instance = instance_loss(z_a, z_b, config.instance_temperature, mask_self=config.mask_self)
    cluster = cluster_loss(c_a, c_b, config.cluster_temperature)
    reconstruction = reconstruction_loss(x, x_hat, config.reconstruction)
    loss = (
        config.instance_weight * instance
        + config.cluster_weight * cluster
        + config.reconstruction_weight * reconstruction
    )  # Eq. 7; the paper's weights are 1
    return PretrainLosses(loss, instance, cluster, reconstruction)


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

    Source:
        IcicleGCN (Xu et al., 2024), Algorithm 1, steps 1-6.
    """
    options = config.pretrain
    runtime.seed_everything("pretrain")
    model = PretrainModel(config, images.shape[1]).to(runtime.device)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(
        model.parameters(), options.learning_rate, weight_decay=options.weight_decay, fused=True
    )
    scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
    batch_size = min(options.batch_size, len(images))
    steps = len(images) // batch_size  # an epoch leaves out a random remainder
    first_epoch = _restore(model, optimizer, scaler, monitor)
    saved_at = time.monotonic()
    model.train()
    for epoch in range(first_epoch, options.epochs):
        generator = runtime.generator("pretrain", epoch)
        order = torch.randperm(len(images), generator=runtime.cpu_generator("order", epoch))
        for position in range(steps):
            step = epoch * steps + position
            _set_learning_rate(optimizer, options, step, steps)
            rows = np.sort(order[position * batch_size :][:batch_size].numpy())
            batch = torch.from_numpy(images[rows]).to(runtime.device)
            size = config.data.image_size or batch.shape[-1]
            views = random_views(
                batch.repeat(2, 1, 1, 1), size, config.views, generator, runtime.compute_dtype
            )
            with runtime.autocast():
                losses = pretrain_losses(model, views, options)
            _step(losses.loss, optimizer, scaler)
            values = {name: float(term.detach()) for name, term in losses._asdict().items()}
            _require_finite(step, values)
            monitor.log(step, **values)
            monitor.progress(
                (step + 1) * batch_size, options.epochs * steps * batch_size, unit="image", **values
            )
        # Very short epochs are kept every few seconds: at most that much is ever repeated.
        if time.monotonic() - saved_at > SAVE_INTERVAL or epoch + 1 == options.epochs:
            _save(model, optimizer, scaler, epoch + 1, monitor)
            saved_at = time.monotonic()
    return model.eval()


@torch.inference_mode()
def embed(
    images: np.ndarray,
    model: PretrainModel,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
    batch_size: int = 512,
) -> np.ndarray:
    """Compute the backbone features of every image, without augmentation.

    Args:
        images: uint8 [N, C, S, S].
        model: The pretrained model.
        config: The run's configuration.
        runtime: Device and precision.
        monitor: Told about the progress.
        batch_size: Images at a time.

    Returns:
        Features x, float32 [N, D], row = image index.
    """
    model = model.to(runtime.device).eval()
    features = np.empty((len(images), model.num_features), dtype=np.float32)
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(np.array(images[start : start + batch_size]))
        size = config.data.image_size or batch.shape[-1]
        with runtime.autocast():
            x = model(evaluation_view(batch.to(runtime.device), size))
        features[start : start + len(batch)] = x.float().cpu().numpy()
        monitor.progress(start + len(batch), len(images), unit="image")
    return features


def _restore(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    monitor: StageMonitor,
) -> int:
    state = monitor.load()
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scaler.load_state_dict(state["scaler"])
    return int(state["epoch"])


def _save(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    epoch: int,
    monitor: StageMonitor,
) -> None:
    monitor.save(
        {
            "epoch": epoch,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scaler": scaler.state_dict(),
        }
    )


def _step(loss: Tensor, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.step(optimizer)
    scaler.update()


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, options: PretrainConfig, step: int, steps_per_epoch: int
) -> None:
    rate = options.learning_rate
    if options.schedule == "cosine":
        progress = step / (options.epochs * steps_per_epoch)
        rate *= 0.5 * (1 + math.cos(math.pi * progress)) * min(1.0, (step + 1) / steps_per_epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate


def _require_finite(step: int, values: dict[str, float]) -> None:
    if not math.isfinite(values["loss"]):
        terms = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise FloatingPointError(f"the pretraining loss is not finite at step {step}: {terms}")
