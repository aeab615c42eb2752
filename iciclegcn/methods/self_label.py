"""Self-labelling: a finished classifier learns its own confident answers on strong views."""

import time
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from iciclegcn.config import Config
from iciclegcn.data.strong_views import strong_views, weak_config
from iciclegcn.data.views import Among, random_views
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.errors import UserError
from iciclegcn.losses.self_labelling import (
    Taught,
    confident_labels,
    self_label_loss,
    teaching_weights,
)
from iciclegcn.methods.answers import Answers, answers, warn_of_lost_clusters
from iciclegcn.methods.assignment_changes import AssignmentChanges
from iciclegcn.methods.classifiers import AnyClassifier
from iciclegcn.methods.optimization import require_finite, restore, take_step, training_state
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.synced_batch_norm import synchronise_batch_norm
from iciclegcn.runtime import Runtime

SAVE_INTERVAL = 5.0  # seconds


def self_label(
    images: np.ndarray,
    classifier: AnyClassifier,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
) -> AnyClassifier:
    """Train a classifier on what it is sure of, without labels.

    Args:
        images: uint8 [N, C, S, S], in memory or memory-mapped.
        classifier: Changed in place.
        config: The run's configuration.
        runtime: Seed, device, precision and ranks; every rank calls this.
        monitor: Keeps the state after each epoch and restores it; told of lost clusters.

    Returns:
        The classifier in evaluation mode, or the moving average of its weights.

    Raises:
        FloatingPointError: If a loss is no longer finite; names the step.
        UserError: If there are more processes than images in a batch.

    Source:
        SCAN (Van Gansbeke et al., 2020), Section 2.3; GCC (Zhong et al., 2021), Section 4.2.
    """
    before = answers(images, classifier, config, runtime)
    _warn_of_unsure_clusters(before, config.self_label.threshold, monitor)
    training = _Training(images, classifier, config, runtime, monitor)
    training.run()
    result = training.result()
    after = answers(images, result, config, runtime)
    warn_of_lost_clusters(before.labels[:, -1], after.labels[:, -1], monitor)
    return result


class _Views(NamedTuple):
    """Views [n, C, S, S] of this rank's share of a batch."""

    weak: Tensor
    strong: Tensor


class _Training:
    """The loop and what it holds."""

    def __init__(
        self,
        images: np.ndarray,
        classifier: AnyClassifier,
        config: Config,
        runtime: Runtime,
        monitor: StageMonitor,
    ) -> None:
        self._images, self._config = images, config
        self._runtime, self._monitor = runtime, monitor
        options, ranks = config.self_label, runtime.ranks
        self._batch_size = min(options.batch_size, len(images))
        if self._batch_size < ranks.size:
            raise UserError(
                f"'self_label.batch_size' must be at least the number of processes, {ranks.size} "
                f"(got {self._batch_size}); raise it, or start fewer with --devices"
            )
        self._steps = len(images) // self._batch_size  # an epoch leaves out a random remainder
        self._model = classifier.to(runtime.device).to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.Adam(
            self._model.parameters(),
            options.learning_rate,
            weight_decay=options.weight_decay,
            fused=True,
        )
        self._scaler = torch.amp.GradScaler(
            runtime.device.type, enabled=runtime.precision == "fp16"
        )
        state = ranks.broadcast(monitor.load())
        self._first_epoch = restore(self._model, self._optimizer, self._scaler, state, "epoch")
        self._taught_images = 0 if state is None else int(state["taught_images"])
        self._changes = AssignmentChanges()
        self._changes.load_state_dict({} if state is None else state.get("changes", {}))
        self._averaged = _average(self._model, options.average_decay, state)
        if ranks.size > 1:
            synchronise_batch_norm(self._model)

    def run(self) -> None:
        """Every epoch from the first, or from a saved state."""
        options, saved_at = self._config.self_label, time.monotonic()
        self._model.train()
        for epoch in range(self._first_epoch, options.epochs):
            generator = self._runtime.generator("self_label", epoch)
            order = torch.randperm(
                len(self._images), generator=self._runtime.cpu_generator("self_label", epoch)
            )
            for position in range(self._steps):
                rows = order[position * self._batch_size :][: self._batch_size]
                self._step(epoch * self._steps + position, np.sort(rows.numpy()), generator)
            # Very short epochs are kept every few seconds: at most that much is ever repeated.
            if time.monotonic() - saved_at > SAVE_INTERVAL or epoch + 1 == options.epochs:
                self._monitor.save(self._state(epoch + 1))
                saved_at = time.monotonic()
        if self._taught_images == 0:
            self._monitor.warn(
                f"no image was ever answered with more confidence than {options.threshold:g}: "
                "nothing was learned; lower 'self_label.threshold'"
            )

    def result(self) -> AnyClassifier:
        """The trained classifier, or its average, in evaluation mode."""
        if self._averaged is not None:
            self._model.load_state_dict(self._averaged.module.state_dict())
        return self._model.eval()

    def _step(self, step: int, rows: np.ndarray, generator: torch.Generator) -> None:
        config, runtime, ranks = self._config, self._runtime, self._runtime.ranks
        options, share = config.self_label, ranks.share(len(rows))
        views = _draw(self._images, rows, config, runtime, generator)
        # In training mode: the statistics of batch normalisation follow the weak views too.
        with torch.no_grad(), runtime.autocast():
            weak_logits = self._model(views.weak)
        own = confident_labels(weak_logits, options.threshold)
        taught = _gathered(own, len(rows), ranks)
        weights = teaching_weights(taught, weak_logits.size(1), balanced=options.balanced)
        confident = int(taught.confident.sum())
        values = {"loss": 0.0}
        if confident > 0:  # else there is nothing to learn from, on any rank
            with runtime.autocast():
                strong_logits = self._model(views.strong)
            # The ranks' parts sum to the batch's loss, and their gradients are averaged.
            loss = self_label_loss(strong_logits, own.labels, weights[share]) * ranks.size
            values["loss"] = float(ranks.mean(loss.detach()))
            require_finite("self-labelling", f"step {step}", values)
            average = partial(ranks.average_gradients, self._model)
            take_step(loss, self._optimizer, self._scaler, average)
            if self._averaged is not None:
                self._averaged.update_parameters(self._model)
        self._taught_images += confident
        values["confident"] = confident / len(rows)
        values["clusters"] = int(torch.bincount(taught.labels[taught.confident]).count_nonzero())
        self._changes.look(taught.labels, torch.from_numpy(rows), total=len(self._images))
        values |= self._changes.take()
        self._monitor.log(step, **values)
        total = options.epochs * self._steps * self._batch_size
        done = (step + 1) * self._batch_size
        self._monitor.progress(done, total, unit="image", **values)

    def _state(self, epoch: int) -> dict[str, Any]:
        state = {
            "epoch": epoch,
            "taught_images": self._taught_images,
            "changes": self._changes.state_dict(),
            **training_state(self._model, self._optimizer, self._scaler),
        }
        if self._averaged is not None:
            state["averaged"] = self._averaged.state_dict()
        return state


def _warn_of_unsure_clusters(found: Answers, threshold: float, monitor: StageMonitor) -> None:
    """Tell of clusters that nothing will teach: the others take their images."""
    labels, confidences = found.labels[:, -1], found.confidences[:, -1]
    clusters = len(torch.unique(labels))
    unsure = clusters - len(torch.unique(labels[confidences > threshold]))
    if 0 < unsure < clusters:  # of all of them is told at the end
        monitor.warn(
            f"{unsure} of {clusters} clusters have no image of more confidence than "
            f"{threshold:g} to learn from, and may be lost: lower 'self_label.threshold'"
        )


def _average(
    model: AnyClassifier, decay: float | None, state: dict[str, Any] | None
) -> AveragedModel | None:
    """The moving average of the weights and of the batch statistics, if there is to be one."""
    if decay is None:
        return None
    moving = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(model, multi_avg_fn=moving, use_buffers=True)
    if state is None:
        averaged.update_parameters(model)  # the first takes the weights as they are
    else:
        averaged.load_state_dict(state["averaged"])
    return averaged


def _gathered(own: Taught, total: int, ranks: Ranks) -> Taught:
    """What the whole batch teaches, from every rank's share."""
    both = torch.stack([own.labels, own.confident.long()], dim=1)
    labels, confident = ranks.gather(both, total).unbind(dim=1)
    return Taught(labels, confident.bool())


def _draw(
    images: np.ndarray,
    rows: np.ndarray,
    config: Config,
    runtime: Runtime,
    generator: torch.Generator,
) -> _Views:
    """A weak and a strong view of each image of this rank's share of a batch of rows."""
    options, share = config.self_label, runtime.ranks.share(len(rows))
    batch = torch.from_numpy(images[rows[share]]).to(runtime.device)
    size = config.data.image_size or batch.shape[-1]
    # Every rank draws for the whole batch: its views are the same on any number of ranks.
    among = Among(torch.arange(share.start, share.stop), len(rows))
    weak = weak_config(config.views, options.weak_crop)
    dtype = runtime.compute_dtype
    return _Views(
        random_views(batch, size, weak, generator, dtype, among),
        strong_views(
            batch, size, weak, options.operations, options.cutout, generator, dtype, among
        ),
    )
