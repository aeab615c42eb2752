"""RUC: two networks learn from what is trusted of a finished clustering."""

import math
import time
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from iciclegcn.config import Config
from iciclegcn.methods.answers import answers, warn_of_lost_clusters
from iciclegcn.methods.assignment_changes import AssignmentChanges
from iciclegcn.methods.classifiers import AnyClassifier
from iciclegcn.methods.optimization import require_finite, restore, take_step, training_state
from iciclegcn.methods.ruc_batches import (
    Batch,
    draw_mixing,
    draw_views,
    epoch_batches,
    num_steps,
    unmixed,
)
from iciclegcn.methods.ruc_sampling import Clustering
from iciclegcn.methods.ruc_start import check_clustering, first_trust, fresh_networks
from iciclegcn.methods.ruc_step import Believed, RUCLosses, refined_targets, ruc_losses
from iciclegcn.methods.ruc_trust import Trust, updated
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.synced_batch_norm import synchronise_batch_norm
from iciclegcn.runtime import Runtime

__all__ = ["Clustering", "refine"]

SAVE_INTERVAL = 5.0  # seconds


def refine(
    images: np.ndarray,
    backbone: nn.Module,
    clustering: Clustering,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
) -> AnyClassifier:
    """Retrain on a clustering's images, those that are trusted and those that are not.

    Args:
        images: uint8 [N, C, S, S], in memory or memory-mapped.
        backbone: Images to features [N, D]; every network begins with a copy of it.
        clustering: Any clusterer's, of these images.
        config: The run's configuration; ``num_clusters`` must be resolved.
        runtime: Seed, device, precision and ranks; every rank calls this.
        monitor: Keeps the state after each epoch and restores it; told of lost clusters.

    Returns:
        The networks, which answer together (one without ``ruc.co_training``), in evaluation mode
        after the last epoch.

    Raises:
        ValueError: If the clustering does not fit the images or K.
        FloatingPointError: If a loss is no longer finite; names the step and every term.
        UserError: If there are more processes than images in a batch, or the neighbours cannot be
            searched.

    Source:
        RUC (Park et al., 2021), Section 3.
    """
    check_clustering(images, clustering, config, runtime)
    model = fresh_networks(images, backbone, config, runtime)
    state = runtime.ranks.broadcast(monitor.load())
    if state is None:
        trust = first_trust(clustering, config, runtime, monitor)
    else:
        trust = Trust(**state["trust"])
    _Refinement(images, model, trust, config, runtime, monitor).run(state)
    after = answers(images, model, config, runtime).labels[:, -1]
    warn_of_lost_clusters(torch.from_numpy(clustering.assignments), after, monitor)
    return model.eval()


class _Refinement:
    """The loop and what it holds."""

    def __init__(
        self,
        images: np.ndarray,
        model: AnyClassifier,
        trust: Trust,
        config: Config,
        runtime: Runtime,
        monitor: StageMonitor,
    ) -> None:
        self._images, self._model, self._trust = images, model, trust
        self._config, self._runtime, self._monitor = config, runtime, monitor
        options = config.ruc
        self._networks = model.members()
        self._optimizers = [
            torch.optim.SGD(
                network.parameters(),
                options.learning_rate,
                momentum=options.momentum,
                nesterov=options.momentum > 0,
                weight_decay=options.weight_decay,
                fused=True,
            )
            for network in self._networks
        ]
        fp16 = runtime.precision == "fp16"
        self._scalers = [
            torch.amp.GradScaler(runtime.device.type, enabled=fp16) for _ in self._networks
        ]
        self._step_number = 0
        self._changes = AssignmentChanges()

    def run(self, state: dict[str, Any] | None) -> None:
        """Every epoch from the first, or from a saved state."""
        options, saved_at = self._config.ruc, time.monotonic()
        first_epoch = self._restore(state)
        if self._runtime.ranks.size > 1:
            synchronise_batch_norm(self._model)
        for epoch in range(first_epoch, options.epochs):
            for number in range(len(self._networks)):
                self._train(number, epoch)
            last = epoch + 1 == options.epochs
            if not last:
                found = answers(self._images, self._model, self._config, self._runtime)
                self._changes.look(found.labels[:, -1])
                if changed := self._changes.take():
                    self._monitor.log(self._step_number - 1, **changed)
                self._trust = updated(self._trust, found, options, epoch + 1)
            # Very short epochs are kept every few seconds: at most that much is ever repeated.
            if time.monotonic() - saved_at > SAVE_INTERVAL or last:
                self._monitor.save(self._state(epoch + 1))
                saved_at = time.monotonic()

    def _train(self, number: int, epoch: int) -> None:
        """One epoch of one network; its peer stays as it is."""
        options, runtime = self._config.ruc, self._runtime
        place = ("ruc", number, epoch)
        generator = runtime.generator(*place, "views")
        mixing = np.random.default_rng(runtime.numpy_seed(*place, "mixing"))
        order, clean = runtime.cpu_generator(*place, "order"), self._trust.clean
        steps = num_steps(clean, options.batch_size)
        for position, batch in enumerate(epoch_batches(clean, options.batch_size, order)):
            done = epoch + position / steps
            rate = 0.5 * options.learning_rate * (1 + math.cos(math.pi * done / options.epochs))
            for group in self._optimizers[number].param_groups:
                group["lr"] = rate
            losses = self._step(number, epoch, batch, mixing, generator)
            passes = epoch * len(self._networks) + number + (position + 1) / steps
            self._report(losses, passes)

    def _step(
        self,
        number: int,
        epoch: int,
        batch: Batch,
        random: np.random.Generator,
        generator: torch.Generator,
    ) -> RUCLosses:
        config, runtime, ranks = self._config, self._runtime, self._runtime.ranks
        options, size = config.ruc, len(batch.rows)
        network, peer = self._networks[number], (number + 1) % len(self._networks)
        mixing = draw_mixing(size, options.mix_alpha, random) if options.mixmatch else unmixed(size)
        views = draw_views(self._images, batch, mixing, config, runtime, generator)
        clean_rows = torch.from_numpy(batch.rows[ranks.share(size)])[: len(views.original)]
        believed = Believed(
            self._trust.labels[clean_rows].to(runtime.device),
            self._trust.reliance[clean_rows, peer].to(runtime.device),
        )
        teacher = self._networks[peer] if options.co_refinement else None
        with runtime.autocast():
            own = refined_targets(network, teacher, views, believed, options)
            targets = ranks.gather(own, size)
            losses = ruc_losses(
                network, views, targets, believed.labels, batch, mixing, options, epoch, ranks
            )
        take_step(
            losses.loss,
            self._optimizers[number],
            self._scalers[number],
            partial(ranks.average_gradients, network),
        )
        return losses

    def _report(self, losses: RUCLosses, passes: float) -> None:
        """Tell a step's terms and the sizes of the sets; ``passes`` over the images are done."""
        terms = self._runtime.ranks.mean(torch.stack([term.detach() for term in losses]))
        values = dict(zip(losses._fields, terms.tolist(), strict=True))
        require_finite("RUC", f"step {self._step_number}", values)
        num_images, num_clean = len(self._images), int(self._trust.clean.sum())
        values |= {"clean": num_clean, "unclean": num_images - num_clean}
        self._monitor.log(self._step_number, **values)
        total = self._config.ruc.epochs * len(self._networks) * num_images
        done = min(total, round(passes * num_images))
        self._monitor.progress(done, total, unit="image", **values)
        self._step_number += 1

    def _restore(self, state: dict[str, Any] | None) -> int:
        """Put back what `_state` gave; the epoch to go on with."""
        if state is None:
            return 0
        self._step_number = int(state["step"])
        self._changes.load_state_dict(state.get("changes", {}))
        parts = zip(self._networks, self._optimizers, self._scalers, state["networks"], strict=True)
        for part in parts:
            restore(*part, "epoch")
        return int(state["epoch"])

    def _state(self, epoch: int) -> dict[str, Any]:
        parts = zip(self._networks, self._optimizers, self._scalers, strict=True)
        return {
            "epoch": epoch,
            "step": self._step_number,
            "changes": self._changes.state_dict(),
            "networks": [{"epoch": epoch, **training_state(*part)} for part in parts],
            "trust": self._trust.state_dict(),
        }
