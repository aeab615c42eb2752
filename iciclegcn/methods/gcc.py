"""GCC: representations and clusters learned together, with a graph that follows them."""

import math
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iciclegcn.config import Config, GCCConfig
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.errors import UserError
from iciclegcn.methods.assignment_changes import AssignmentChanges
from iciclegcn.methods.gcc_batches import GCCBatch, ImagePool, epoch_batches, epoch_steps
from iciclegcn.methods.gcc_epochs import EpochSummary, KeptEpoch
from iciclegcn.methods.gcc_graph import NeighborGraph, search_graph
from iciclegcn.methods.gcc_losses import gcc_losses
from iciclegcn.methods.gcc_memory import EmbeddingMemory
from iciclegcn.methods.gcc_model import GCCModel, build_gcc_model
from iciclegcn.methods.optimization import require_finite, restore, take_step, training_state
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.backbone import start_trained
from iciclegcn.nn.synced_batch_norm import synchronise_batch_norm
from iciclegcn.runtime import Runtime

__all__ = ["GCCModel", "build_gcc_model", "train_gcc"]

SAVE_INTERVAL = 5.0  # seconds


def train_gcc(
    images: NDArray[np.uint8],
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
    *,
    extra_images: NDArray[np.uint8] | None = None,
) -> GCCModel:
    """Train backbone, projection and cluster heads on unlabelled images; every rank calls this.

    Args:
        images: uint8 [N, C, S, S], in memory or memory-mapped.
        config: The run's configuration.
        runtime: Seed, device, precision and ranks.
        monitor: Keeps the state after each epoch and restores it; on rank 0.
        extra_images: uint8 [E, C, S, S]; seen until the first graph only, never clustered.

    Returns:
        The trained model, in evaluation mode.

    Raises:
        FloatingPointError: If a loss is no longer finite; names the step and every term.
        UserError: If there are too few images for the neighbours or for the processes, the extra
            images differ in shape, or the backbone's trained weights cannot be had.

    Source:
        GCC (Zhong et al., 2021), Algorithm 1.
    """
    options = config.gcc
    pool = ImagePool(images, extra_images)
    _check(pool, options, runtime.ranks)
    training = _Training(pool, config, runtime, monitor)
    first_epoch = training.load()
    if runtime.ranks.size > 1:
        synchronise_batch_norm(training.model)
    saved_at = time.monotonic()
    for epoch in range(first_epoch, options.epochs):
        since_first = epoch - options.first_graph_epoch
        if since_first >= 0 and since_first % options.graph_interval == 0:
            training.renew_graph(epoch)
        summary = training.run_epoch(epoch)
        training.model.choose_head(summary.best_head)
        if training.graph is not None:
            training.kept.offer(summary, training.model)
        # Very short epochs are kept every few seconds: at most that much is ever repeated.
        if time.monotonic() - saved_at > SAVE_INTERVAL or epoch + 1 == options.epochs:
            training.save(epoch + 1)
            saved_at = time.monotonic()
    training.kept.put_back(training.model)
    _warn_of_empty_clusters(training.kept.empty_clusters, config, monitor)
    return training.model.eval()


class _Training:
    """A training as it stands: what the steps change, and a state keeps."""

    def __init__(
        self, pool: ImagePool, config: Config, runtime: Runtime, monitor: StageMonitor
    ) -> None:
        options, device = config.gcc, runtime.device
        self._pool, self._config, self._runtime = pool, config, runtime
        self._monitor = monitor
        runtime.seed_everything("gcc")
        model = build_gcc_model(config, pool.images.shape[1])
        size = config.data.image_size or pool.images.shape[-1]
        start_trained(model.backbone, config.backbone, size)
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self._optimizer = _optimizer(self.model, options)
        self._scaler = torch.amp.GradScaler(device.type, enabled=runtime.precision == "fp16")
        self._memory: EmbeddingMemory | None = None
        if runtime.ranks.is_main:
            channels = options.projection_channels
            self._memory = EmbeddingMemory(
                len(pool.images), options.memory_length, channels, device
            )
        self.graph: NeighborGraph | None = None
        self.kept = KeptEpoch(options.keep)
        self._changes = AssignmentChanges()

    def load(self) -> int:
        """Put back what an interrupted process saved; return the first epoch to train."""
        state = self._monitor.load()
        if state is not None and self._memory is not None:
            self._memory.load(state.pop("memory"))  # rank 0's alone, and large
        state = self._runtime.ranks.broadcast(state)
        if state is not None:
            self.graph = NeighborGraph(**state["graph"]) if state["graph"] else None
            self.kept.load_state_dict(state["kept"])
            self._changes.load_state_dict(state.get("changes", {}))
        return restore(self.model, self._optimizer, self._scaler, state, "epoch")

    def save(self, epochs: int) -> None:
        """Keep a state after so many epochs; only rank 0's can be gone on from."""
        state: dict[str, Any] = {
            "epoch": epochs,
            "graph": {} if self.graph is None else self.graph._asdict(),
            "kept": self.kept.state_dict(),
            "changes": self._changes.state_dict(),
        }
        if self._memory is not None:
            state["memory"] = self._memory.embeddings
        self._monitor.save(state | training_state(self.model, self._optimizer, self._scaler))

    def renew_graph(self, epochs: int) -> None:
        """Search the neighbours among what is remembered after so many epochs."""
        rows = None if self._memory is None else self._memory.mean(epochs)
        self.graph = search_graph(rows, self._config, self._runtime, self._monitor)

    def run_epoch(self, epoch: int) -> EpochSummary:
        """Train on every image once."""
        config, options = self._config, self._config.gcc
        first_step, steps, done, total = _so_far(self._pool, options, epoch)
        summary = EpochSummary(options)
        self.model.train()
        batches = epoch_batches(self._pool, self.graph, config, self._runtime, epoch)
        for position, batch in enumerate(batches):
            _set_learning_rate(self._optimizer, options, epoch + position / steps)
            values = self._step(batch, first_step + position, epoch, summary)
            done += len(batch.rows)
            self._monitor.progress(done, total, unit="image", **values)
        return summary

    def _step(
        self, batch: GCCBatch, step: int, epoch: int, summary: EpochSummary
    ) -> dict[str, float]:
        """Train on a batch; return the values of the loss and its terms."""
        ranks = self._runtime.ranks
        losses = gcc_losses(self.model, batch, self._config.gcc, self._runtime)
        # Whole, rather than `train_together`: before the first graph the heads have no gradient.
        take_step(
            losses.loss,
            self._optimizer,
            self._scaler,
            lambda: ranks.average_gradients(self.model),
        )
        names, terms = zip(*losses.values().items(), strict=True)
        means = ranks.mean(torch.stack(terms).detach())
        values = dict(zip(names, means.tolist(), strict=True))
        require_finite("GCC", f"step {step}", values)
        own = batch.rows < len(self._pool.images)
        if losses.heads is not None:
            clusters = losses.heads.clusters[own.to(losses.heads.clusters.device)]
            self._changes.look(clusters, batch.rows[own], total=len(self._pool.images))
            values |= self._changes.take()
        self._monitor.log(step, **values)
        summary.add(values["loss"], losses.heads, len(batch.rows))
        if self._memory is not None:
            self._memory.write(batch.rows[own], losses.z_b[own.to(losses.z_b.device)], epoch)
        return values


def _check(pool: ImagePool, options: GCCConfig, ranks: Ranks) -> None:
    """Refuse what only the images can tell is impossible."""
    num_images = len(pool.images)
    if options.num_neighbors >= num_images:
        raise UserError(
            f"'gcc.num_neighbors' must be below the number of images, {num_images} (got "
            f"{options.num_neighbors})"
        )
    for total in (num_images, pool.numbers(graph=False)):
        least = total // epoch_steps(total, options.batch_size)
        if least < ranks.size:
            raise UserError(
                f"'gcc.batch_size' must leave every process an image: the {total} images come in "
                f"batches of {least}, for {ranks.size} processes (got {options.batch_size}); raise "
                "it, or start fewer with --devices"
            )
    if pool.extra is not None and pool.extra.shape[1:] != pool.images.shape[1:]:
        raise UserError(
            f"the images of 'gcc.extra_source' must be {pool.images.shape[1:]}, as the others "
            f"(got {pool.extra.shape[1:]}); give both one 'data.cache_size' and 'data.channels'"
        )


def _so_far(pool: ImagePool, options: GCCConfig, epoch: int) -> tuple[int, int, int, int]:
    """Steps before an epoch and in it; images before it and in all epochs."""
    early, late = pool.numbers(graph=False), pool.numbers(graph=True)
    early_steps, late_steps = (epoch_steps(n, options.batch_size) for n in (early, late))
    first = options.first_graph_epoch
    before, after = min(epoch, first), max(0, epoch - first)
    return (
        before * early_steps + after * late_steps,
        early_steps if epoch < first else late_steps,
        before * early + after * late,
        first * early + (options.epochs - first) * late,
    )


def _optimizer(model: GCCModel, options: GCCConfig) -> torch.optim.Optimizer:
    rate, decay = options.learning_rate, options.weight_decay
    heads = list(model.heads.parameters())
    others = [*model.backbone.parameters(), *model.projection.parameters()]
    groups: list[dict[str, Any]] = [
        {"params": others, "factor": 1.0},
        {"params": heads, "factor": options.head_rate},
    ]
    if options.optimizer == "adam":
        return torch.optim.Adam(groups, rate, weight_decay=decay, fused=True)
    # Not the fused one: it refuses heads whose momentum begins later than that of the others.
    return torch.optim.SGD(groups, rate, momentum=options.momentum, weight_decay=decay)


def _set_learning_rate(optimizer: torch.optim.Optimizer, options: GCCConfig, epochs: float) -> None:
    """The cosine from the learning rate to ``final_rate`` of it, after so many epochs."""
    high = 0.5 * (1 + math.cos(math.pi * epochs / options.epochs))
    rate = options.learning_rate * (high + (1 - high) * options.final_rate)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def _warn_of_empty_clusters(empty: int, config: Config, monitor: StageMonitor) -> None:
    if empty:
        monitor.warn(
            f"{empty} of {config.num_clusters} clusters have no images: try a later "
            "'gcc.first_graph_epoch', a higher 'gcc.balance_weight', more 'gcc.num_heads', or a "
            "lower --num-clusters"
        )
