"""What share of an epoch do the memory and the neighbours of GCC take at 60,000 images?

Question: seconds of remembering every image's embedding once, plus seconds of a new graph (the
mean of the memory, the exact search of 5 neighbours among 60,000 rows of 128, degrees and weights)
over those of a whole epoch with a graph. Claim: under 5 % with the paper's interval of 5 epochs.
The share with a new graph in EVERY epoch is beside it.

Setting: 60,000 images of 32 px in three channels, K = 10, batch 256, the paper's terms (2 views, 3
neighbours and a partner an image). Networks: the `quick` convnet of width 256, the cheapest and so
the hardest case, and the paper's ResNet-18 with a 3x3 stem. Memory and graph are timed at full
size, on rows in 200 groups (a trained memory is not uniform either); steps are those of
`train_gcc`'s loop on random pixels. An epoch is the median step (the first is discarded) times its
235 steps, plus memory and graph. One process, automatic precision.

Command: ``OMP_NUM_THREADS=2 python -m benchmarks.gcc_epoch``
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.common import write_result
from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.methods.gcc import build_gcc_model
from iciclegcn.methods.gcc_batches import ImagePool, epoch_batches, epoch_steps
from iciclegcn.methods.gcc_graph import NeighborGraph, search_graph
from iciclegcn.methods.gcc_losses import gcc_losses
from iciclegcn.methods.gcc_memory import EmbeddingMemory
from iciclegcn.methods.optimization import take_step
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime

NUM_IMAGES, SIDE, GROUPS, CLAIM = 60_000, 32, 200, 0.05
NETWORKS: dict[str, dict[str, object]] = {
    "convnet 256, plain stem": {
        "backbone.name": "convnet",
        "backbone.stem": "plain",
        "backbone.width": 256,
    },
    "ResNet-18, 3x3 stem": {"backbone.name": "resnet18", "backbone.stem": "small"},
}


def configuration(network: str) -> Config:
    """The paper's options with one of the networks."""
    fixed: dict[str, object] = {"num_clusters": 10, "data.image_size": SIDE}
    return build_config(Config(), fixed | NETWORKS[network])


def update_seconds(
    config: Config, runtime: Runtime, num_images: int
) -> tuple[dict[str, float], NeighborGraph]:
    """Seconds of one epoch's writing and of one graph, and that graph."""
    options = config.gcc
    memory = EmbeddingMemory(
        num_images, options.memory_length, options.projection_channels, runtime.device
    )
    for epoch in range(options.memory_length):
        z = _grouped(num_images, options.projection_channels, epoch)
        order = torch.randperm(num_images).tensor_split(epoch_steps(num_images, options.batch_size))
        start = time.perf_counter()
        for rows in order:
            memory.write(rows, z[rows], epoch)
        write = time.perf_counter() - start
    start = time.perf_counter()
    graph = search_graph(memory.mean(options.memory_length), config, runtime, NullMonitor())
    return {"write": write, "graph": time.perf_counter() - start}, graph


def step_seconds(config: Config, runtime: Runtime, graph: NeighborGraph, steps: int) -> list[float]:
    """Seconds of each step with a graph, views and the optimiser's step included."""
    num_images = len(graph.lists)
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, (num_images, 3, SIDE, SIDE), dtype=np.uint8)
    model = build_gcc_model(config, 3).to(runtime.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=config.gcc.momentum)
    scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.precision == "fp16")
    batches = epoch_batches(ImagePool(pixels), graph, config, runtime, 0)
    seconds = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        losses = gcc_losses(model, next(batches), config.gcc, runtime)
        take_step(losses.loss, optimizer, scaler)
        losses.loss.item()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def shares(update: dict[str, float], step: float, steps: int, interval: int) -> dict[str, float]:
    """An epoch's seconds and the update's share of them, by how often there is a graph."""
    named = {}
    for name, every in (("at_the_interval", interval), ("every_epoch", 1)):
        renewal = update["write"] + update["graph"] / every
        named[f"epoch_seconds_{name}"] = steps * step + renewal
        named[f"share_{name}"] = renewal / (steps * step + renewal)
    return named


def _grouped(num_images: int, channels: int, seed: int) -> Tensor:
    """Rows of norm 1 around some centres, the same in every epoch."""
    centers = torch.randn(GROUPS, channels, generator=torch.Generator().manual_seed(99))
    noise = torch.randn(num_images, channels, generator=torch.Generator().manual_seed(seed))
    rows: Tensor = F.normalize(centers[torch.arange(num_images) % GROUPS] + noise, dim=1)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--images", type=int, default=NUM_IMAGES)
    parser.add_argument("--out", type=Path, help="another file for the JSON")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    runtime = Runtime.create()
    rows: dict[str, dict[str, Any]] = {}
    for network in NETWORKS:
        config = configuration(network)
        update, graph = update_seconds(config, runtime, options.images)
        seconds = step_seconds(config, runtime, graph, options.steps)
        steps = epoch_steps(options.images, config.gcc.batch_size)
        found = shares(update, statistics.median(seconds), steps, config.gcc.graph_interval)
        holds = found["share_at_the_interval"] < CLAIM
        rows[network] = {**update, **found, "claim_holds": holds, "step_seconds": seconds}
        payload = {"question": __doc__, "images": options.images, "claim": CLAIM, "rows": rows}
        write_result("gcc_epoch", payload, options.out)
        print(
            f"{network:26} epoch {found['epoch_seconds_at_the_interval']:7.1f} s, memory "
            f"{update['write']:.2f} s, graph {update['graph']:.2f} s: "
            f"{found['share_at_the_interval']:.2%} of an epoch (claim under {CLAIM:.0%}), "
            f"{found['share_every_epoch']:.2%} with a graph every epoch"
        )


if __name__ == "__main__":
    main()
