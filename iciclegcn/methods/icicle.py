"""Stage 2 of IcicleGCN: joint self-adaptive learning of the multi-scale GCN."""

import copy
import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphs import ScaleGraph
from iciclegcn.config import Config, MGCNConfig
from iciclegcn.methods.best_keeper import BestKeeper
from iciclegcn.methods.code_warmup import warm_up_code
from iciclegcn.methods.initial_partition import code_centers, initial_partition
from iciclegcn.methods.mgcn_losses import MGCNLosses, mgcn_losses, reconstruction_term
from iciclegcn.methods.neighbor_draw import NeighborDraw
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.mgcn import MGCN, MGCNAssignments, propagate_features
from iciclegcn.nn.propagate import Propagation, prepare_propagation
from iciclegcn.runtime import Runtime

SAVE_INTERVAL = 10.0  # seconds between two saved states: at most that much is ever repeated


class MGCNResult(NamedTuple):
    """What stage 2 gives; tensors on the CPU in float32, row = image index.

    Attributes:
        streams: Soft assignments [N, K] of every graph stream.
        q: Student-t soft assignments of the code [N, K].
        code: Softmax code of the auto-encoder [N, K].
        model: The trained network.
    """

    streams: list[Tensor]
    q: Tensor
    code: Tensor
    model: MGCN


def train_mgcn(
    x: Tensor,
    graphs: Sequence[ScaleGraph],
    autoencoder: AutoEncoder,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
) -> MGCNResult:
    """Train graph streams and auto-encoder together on frozen features.

    Args:
        x: Features [N, D].
        graphs: One normalised graph a scale.
        autoencoder: The auto-encoder of stage 1; it is copied, not changed.
        config: The run's configuration.
        runtime: Seed, device and precision.
        monitor: Keeps the state every few seconds and restores it.

    Returns:
        The final soft assignments and the trained network, in evaluation mode.

    Raises:
        FloatingPointError: If a loss is no longer finite; names the iteration and every term.

    Source:
        IcicleGCN (Xu et al., 2024), Algorithm 1, steps 7-10.
    """
    options = config.mgcn
    x = x.detach().to(runtime.device, torch.float32)
    propagations = prepare_graphs(graphs, len(x), runtime.device)
    propagated = propagate_features(x, propagations)
    largest = max(graphs, key=lambda graph: graph.edge_index.size(1))
    draw = NeighborDraw(largest.edge_index.to(runtime.device), len(x))
    state = monitor.load()
    if state is None:
        model = _start(autoencoder, x, propagations, options, runtime, monitor)
    else:
        model = _build_model(autoencoder, len(graphs), options, runtime)
    optimizer = torch.optim.Adam(model.parameters(), options.learning_rate, fused=True)
    scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
    first_iteration = _restore(model, optimizer, scaler, state)
    keeper = BestKeeper(largest.edge_index.cpu()) if options.keep == "modularity" else None
    if keeper is not None and state is not None:
        keeper.load_state_dict(state["best"])
    saved_at = time.monotonic()
    model.train()
    for iteration in range(first_iteration, options.iterations):
        with runtime.autocast():
            assigned = model.assign(x, propagations, propagated)
            recon = reconstruction_term(model.autoencoder, x, assigned.code, options)
        partner = draw(runtime.generator("mgcn", iteration))
        losses = mgcn_losses(assigned, recon, partner, options)
        values = _values(losses)
        _require_finite(iteration, values)
        if keeper is not None:
            keeper.offer(model, select_output(assigned.streams, assigned.q, options.output))
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(losses.loss).backward()  # type: ignore[no-untyped-call]
        scaler.step(optimizer)
        scaler.update()
        monitor.log(iteration, **values)
        monitor.progress(iteration + 1, options.iterations, unit="iteration", **values)
        if time.monotonic() - saved_at > SAVE_INTERVAL:
            _save(model, optimizer, scaler, iteration + 1, keeper, monitor)
            saved_at = time.monotonic()
    model.eval()
    code, q, streams = _assign(model, x, propagations, propagated, runtime)
    if keeper is not None:
        keeper.offer(model, select_output(streams, q, options.output))
        keeper.put_back(model)
        code, q, streams = _assign(model, x, propagations, propagated, runtime)
    result = MGCNResult([g.cpu() for g in streams], q.cpu(), code.cpu(), model)
    _warn_of_empty_clusters(result, options.output, monitor)
    return result


@torch.no_grad()
def _assign(
    model: MGCN,
    x: Tensor,
    propagations: Sequence[Propagation],
    propagated: Sequence[Tensor],
    runtime: Runtime,
) -> MGCNAssignments:
    # A context of its own: autocast keeps converted weights, and they may be put back in between.
    with runtime.autocast():
        return model.assign(x, propagations, propagated)


def output_probabilities(result: MGCNResult, output: str) -> Tensor:
    """The soft assignments that name the clusters.

    Args:
        result: What `train_mgcn` returned.
        output: ``streams`` (mean of the streams), ``stream_0``, ``stream_1``, ... or ``q``.

    Returns:
        Soft assignments [N, K]; rows sum to 1.

    Raises:
        ValueError: If ``output`` names nothing of the result.
    """
    return select_output(result.streams, result.q, output)


def select_output(streams: Sequence[Tensor], q: Tensor, output: str) -> Tensor:
    """The same for soft assignments that are not in a result yet."""
    if output == "streams":
        return torch.stack(list(streams)).mean(dim=0)
    if output == "q":
        return q
    named = {f"stream_{u}": stream for u, stream in enumerate(streams)}
    if output not in named:
        raise ValueError(f"'output' must be streams, {', '.join(named)} or q (got {output!r})")
    return named[output]


def prepare_graphs(
    graphs: Sequence[ScaleGraph], num_nodes: int, device: torch.device
) -> list[Propagation]:
    """The graphs ready for the streams, on the device of the run."""
    # Row i of a ScaleGraph receives from column j; PyTorch Geometric names the sender first.
    return [
        prepare_propagation(graph.edge_index.flip(0), graph.edge_weight, num_nodes).to(device)
        for graph in graphs
    ]


def _build_model(
    autoencoder: AutoEncoder, num_streams: int, options: MGCNConfig, runtime: Runtime
) -> MGCN:
    runtime.seed_everything("mgcn")  # the streams' random weights
    model = MGCN(
        autoencoder,
        num_streams,
        sigma=options.sigma,
        gamma=options.gamma,
        autoencoder_weight=options.autoencoder_weight,
        shared_weights=options.shared_weights,
        degrees_of_freedom=options.degrees_of_freedom,
    ).to(runtime.device)
    if options.gcn_init == "encoder":
        model.init_from_encoder()
    return model


def _start(
    autoencoder: AutoEncoder,
    x: Tensor,
    propagations: Sequence[Propagation],
    options: MGCNConfig,
    runtime: Runtime,
    monitor: StageMonitor,
) -> MGCN:
    """The network before its first iteration: partition, optional warm-up, streams, centres."""
    autoencoder = copy.deepcopy(autoencoder).to(runtime.device)
    with torch.no_grad():
        code = autoencoder.encode(x)[-1]
    widest = max(propagations, key=lambda graph: graph.rows.col.numel())
    seed = runtime.numpy_seed("mgcn", "centers")
    partition = initial_partition(x, code, widest, options, seed=seed, monitor=monitor)
    if options.code_warmup_steps:
        assignments = torch.from_numpy(partition.assignments).to(x.device)
        warm_up_code(autoencoder, x, assignments, options.code_warmup_steps, runtime)
        with torch.no_grad():
            code = autoencoder.encode(x)[-1]
    model = _build_model(autoencoder, len(propagations), options, runtime)
    with torch.no_grad():
        model.assignment.centers.copy_(code_centers(partition, code, options))
    return model


def _restore(
    model: MGCN,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    state: dict[str, Any] | None,
) -> int:
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scaler.load_state_dict(state["scaler"])
    return int(state["iteration"])


def _save(
    model: MGCN,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    iteration: int,
    keeper: BestKeeper | None,
    monitor: StageMonitor,
) -> None:
    monitor.save(
        {
            "best": {} if keeper is None else keeper.state_dict(),
            "iteration": iteration,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scaler": scaler.state_dict(),
        }
    )


def _values(losses: MGCNLosses) -> dict[str, float]:
    values = {
        "loss": float(losses.loss.detach()),
        "reconstruction": float(losses.reconstruction.detach()),
        "kl_code": float(losses.kl_code.detach()),
        "neighbor": float(losses.neighbor.detach()),
    }
    return values | {f"kl_stream_{u}": float(kl.detach()) for u, kl in enumerate(losses.kl_streams)}


def _require_finite(iteration: int, values: dict[str, float]) -> None:
    if not math.isfinite(values["loss"]):
        terms = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise FloatingPointError(f"the M-GCN loss is not finite at iteration {iteration}: {terms}")


def _warn_of_empty_clusters(result: MGCNResult, output: str, monitor: StageMonitor) -> None:
    probabilities = output_probabilities(result, output)
    num_clusters = probabilities.size(1)
    sizes = torch.bincount(probabilities.argmax(dim=1), minlength=num_clusters)
    used = int((sizes > 0).sum())
    if used < num_clusters:
        monitor.warn(
            f"{num_clusters - used} of {num_clusters} clusters have no images: try fewer "
            "'mgcn.iterations', a lower 'mgcn.learning_rate', 'mgcn.gcn_init: encoder' or a "
            "'mgcn.neighbor_weight' above 0"
        )
