"""Stage 2 of IcicleGCN: joint self-adaptive learning of the multi-scale GCN."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphs import ScaleGraph
from iciclegcn.config import Config, MGCNConfig
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.methods.assignment_changes import AssignmentChanges
from iciclegcn.methods.best_keeper import BestKeeper
from iciclegcn.methods.choose_nodes import Features, choose_nodes
from iciclegcn.methods.mgcn_losses import MGCNLosses, mgcn_losses, reconstruction_term
from iciclegcn.methods.mgcn_ranks import share_training
from iciclegcn.methods.mgcn_result import MGCNResult, select_output, warn_of_empty_clusters
from iciclegcn.methods.mgcn_start import build_model, start_model
from iciclegcn.methods.optimization import require_finite, restore, training_state
from iciclegcn.methods.training_nodes import TrainingNodes
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.mgcn import MGCN, MGCNAssignments
from iciclegcn.runtime import Runtime

SAVE_INTERVAL = 10.0  # seconds between two saved states: at most that much is ever repeated


def train_mgcn(
    x: Features,
    graphs: Sequence[ScaleGraph],
    autoencoder: AutoEncoder,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
    *,
    folder: Path | None = None,
) -> MGCNResult:
    """Train graph streams and auto-encoder together on frozen features.

    Args:
        x: Features [N, D]; an array may be memory-mapped, a path names a ``.npy`` file.
        graphs: One normalised graph a scale.
        autoencoder: The auto-encoder of stage 1; it is copied, not changed.
        config: The run's configuration.
        runtime: Seed, device and precision.
        monitor: Keeps the state every few seconds and restores it.
        folder: For files that a training in cells makes and that vanish with it, about
            (1 + scales) times the features; None: the system's temporary folder.

    Returns:
        The final soft assignments over all edges and the trained network, in evaluation mode.

    Raises:
        FloatingPointError: If a loss is no longer finite; names the iteration and every term.
        UserError: If ``mgcn.partition`` needs a package that is not installed.

    Source:
        IcicleGCN (Xu et al., 2024), Algorithm 1, steps 7-10.
    """
    options, num_streams = config.mgcn, len(graphs)
    state = monitor.load()
    widths = autoencoder.widths
    nodes, memory = choose_nodes(
        x, graphs, widths, options, runtime, monitor, state=state, folder=folder
    )
    del x  # pages of a mapped file count towards the process as long as somebody refers to it
    if options.iterations:
        done = 0 if state is None else int(state["iteration"])
        monitor.progress(done, options.iterations, unit="iteration", memory_gib=memory)
    if state is None:
        model = start_model(autoencoder, nodes, num_streams, options, runtime, monitor)
    else:
        model = build_model(autoencoder, num_streams, options, runtime)
    keeper = BestKeeper(nodes.edge_index) if options.keep == "modularity" else None
    runtime = share_training(model, nodes, state, runtime)
    train_steps(model, nodes, keeper, options, runtime, monitor, state, memory)
    model.eval()
    found = nodes.assign(model)
    if keeper is not None:
        keeper.offer(model, select_output(found.streams, found.q, options.output))
        keeper.put_back(model)
        found = nodes.assign(model)
    streams = [nodes.original(g) for g in found.streams]
    result = MGCNResult(streams, nodes.original(found.q), nodes.original(found.code), model)
    warn_of_empty_clusters(result, options.output, monitor)
    return result


def train_steps(
    model: MGCN,
    nodes: TrainingNodes,
    keeper: BestKeeper | None,
    options: MGCNConfig,
    runtime: Runtime,
    monitor: StageMonitor,
    state: dict[str, Any] | None,
    memory: float,
) -> None:
    """Every iteration from the first, or from a saved state; every rank of the runtime calls it.

    Args:
        model: Changed in place; all ranks begin with the same weights.
        nodes: Hands out each step's nodes, to each rank its own.
        keeper: Keeps the best weights; on rank 0 alone.
        options: The options of stage 2.
        runtime: Seed, device, precision and ranks.
        monitor: Keeps the state every few seconds, on rank 0.
        state: What an interrupted training saved; None: begin.
        memory: Shown beside the progress, GiB.

    Raises:
        FloatingPointError: If a loss is no longer finite.
    """
    ranks = runtime.ranks
    optimizer = torch.optim.Adam(model.parameters(), options.learning_rate, fused=True)
    scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
    first_iteration = restore(model, optimizer, scaler, state, "iteration")
    frequency, changes = None, AssignmentChanges()
    if state is not None:
        changes.load_state_dict(state.get("changes", {}))  # earlier versions kept none
        if "frequency" in state:
            frequency = state["frequency"].to(runtime.device)
        if keeper is not None:
            keeper.load_state_dict(state["best"])
    saved_at = time.monotonic()
    model.train()
    for iteration in range(first_iteration, options.iterations):
        if not nodes.sees_everything and iteration % nodes.steps_per_epoch == 0:
            own = _begin_epoch(model, nodes, keeper, changes, options) if ranks.is_main else None
            frequency = ranks.broadcast(own).to(runtime.device)
        batch = nodes.batch(iteration)
        with runtime.autocast():
            assigned = model.assign(batch.x, batch.graphs, batch.propagated)
            recon = reconstruction_term(model.autoencoder, batch.x, assigned.code, options)
        partner = batch.draw(runtime.generator("mgcn", iteration))
        losses = mgcn_losses(assigned, recon, partner, options, frequency)
        values = _values(losses, batch.weight, ranks)
        require_finite("M-GCN", f"iteration {iteration}", values)
        if nodes.sees_everything:
            _look(model, assigned, keeper, changes, options)
        optimizer.zero_grad(set_to_none=True)
        loss = losses.loss * batch.weight
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        ranks.average_gradients(model)
        scaler.step(optimizer)
        scaler.update()
        values |= changes.take()
        monitor.log(iteration, **values)
        values["memory_gib"] = memory
        monitor.progress(iteration + 1, options.iterations, unit="iteration", **values)
        if time.monotonic() - saved_at > SAVE_INTERVAL:
            extra = {} if frequency is None else {"frequency": frequency}
            monitor.save(
                {
                    "best": {} if keeper is None else keeper.state_dict(),
                    "changes": changes.state_dict(),
                    "iteration": iteration + 1,
                    **training_state(model, optimizer, scaler),
                    **nodes.state_dict(),
                    **extra,
                }
            )
            saved_at = time.monotonic()


def _begin_epoch(
    model: MGCN,
    nodes: TrainingNodes,
    keeper: BestKeeper | None,
    changes: AssignmentChanges,
    options: MGCNConfig,
) -> Tensor:
    """Cluster frequencies over all nodes [K], the denominators of Eq. 22, for a whole epoch."""
    if keeper is None:
        q = nodes.q(model)
        changes.look(q.argmax(dim=1))
        return q.sum(dim=0).cpu()
    found = nodes.assign(model)
    _look(model, found, keeper, changes, options)
    return found.q.sum(dim=0).cpu()


def _look(
    model: MGCN,
    assigned: MGCNAssignments,
    keeper: BestKeeper | None,
    changes: AssignmentChanges,
    options: MGCNConfig,
) -> None:
    """Let the keeper and the count of changes see assignments of all nodes."""
    if keeper is None:
        changes.look(assigned.q.argmax(dim=1))  # in cells an epoch begins with q alone
        return
    output = select_output(assigned.streams, assigned.q, options.output)
    changes.look(output.argmax(dim=1))
    keeper.offer(model, output)


def _values(losses: MGCNLosses, weight: float, ranks: Ranks) -> dict[str, float]:
    values = {
        "loss": float(losses.loss.detach()),
        "reconstruction": float(losses.reconstruction.detach()),
        "kl_code": float(losses.kl_code.detach()),
        "neighbor": float(losses.neighbor.detach()),
    }
    values |= {f"kl_stream_{u}": float(kl.detach()) for u, kl in enumerate(losses.kl_streams)}
    if ranks.size == 1:
        return values
    terms = torch.tensor(list(values.values()), device=losses.loss.device) * weight
    return dict(zip(values, ranks.mean(terms).tolist(), strict=True))
