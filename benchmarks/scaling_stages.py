"""The stages that `benchmarks.scaling` measures, each in a process of its own.

Command: python -m benchmarks.scaling_stages STAGE FOLDER NUM_NODES PARTITION EPOCHS SAVE_SECONDS
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import status_kib

CHANNELS, LATENT, NUM_CLUSTERS, K_LIST, HIDDEN = 512, 24, 20, (1, 10), (256, 256, 512)
BUDGET = 5.0  # GiB for `mgcn.memory_gib`: features, graphs and Python come on top
_BLOCK_ROWS = 50_000


def make_features(folder: Path, num_nodes: int) -> dict[str, Any]:
    """Write ``features.npy`` and the truth; clusters overlap and shrink as 1 / sqrt(rank)."""
    rng = np.random.default_rng(0)
    share = 1 / np.sqrt(np.arange(1, NUM_CLUSTERS + 1))
    y = rng.choice(NUM_CLUSTERS, num_nodes, p=share / share.sum())
    centers = rng.standard_normal((NUM_CLUSTERS, LATENT))
    directions = rng.standard_normal((LATENT, CHANNELS)) / np.sqrt(LATENT)
    shape = (num_nodes, CHANNELS)
    partial = folder / "features.partial"
    x = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, num_nodes, _BLOCK_ROWS):
        rows = y[start : start + _BLOCK_ROWS]
        latent = centers[rows] + rng.standard_normal((len(rows), LATENT))
        noise = 0.1 * rng.standard_normal((len(rows), CHANNELS), np.float32)
        x[start : start + len(rows)] = latent @ directions + noise
    x.flush()
    np.save(folder / "truth.npy", y)
    partial.replace(folder / "features.npy")
    return {"smallest_cluster": int(np.bincount(y).min())}


def find_neighbors(folder: Path, num_nodes: int) -> dict[str, Any]:
    """Write ``neighbors.npz``: one search at the largest k."""
    from graphs import knn

    del num_nodes
    found = knn(folder / "features.npy", max(K_LIST))
    np.savez(folder / "neighbors.npz", indices=found[0], squared_distances=found[1])
    return {}


def cluster(
    folder: Path, num_nodes: int, partition: str, epochs: int, save_interval: float
) -> dict[str, Any]:
    """Stage 2 from the files to assignments; goes on where a killed process left off."""
    import torch

    from graphs import Neighbors, scale_graphs
    from iciclegcn.config import Config, MGCNConfig
    from iciclegcn.evaluation.metrics import clustering_metrics
    from iciclegcn.methods import icicle
    from iciclegcn.methods.icicle import train_mgcn
    from iciclegcn.methods.mgcn_result import output_probabilities
    from iciclegcn.nn.autoencoder import AutoEncoder
    from iciclegcn.presets import preset_config
    from iciclegcn.progress import SilentReporter
    from iciclegcn.run_folder.monitor import RunMonitor
    from iciclegcn.runtime import Runtime

    icicle.SAVE_INTERVAL = save_interval
    starts: list[float] = []
    cells = -(-num_nodes // MGCNConfig.cell_size)
    steps = -(-cells // MGCNConfig.cells_per_step)

    class Timed(RunMonitor):
        def log(self, step: int, **values: float) -> None:
            super().log(step, **values)
            if step % steps == 0:
                starts.append(time.perf_counter())

    arrays = np.load(folder.parent / "neighbors.npz")
    neighbors = Neighbors(arrays["indices"], arrays["squared_distances"])
    graphs = scale_graphs(neighbors, K_LIST)
    del arrays, neighbors
    quick = preset_config("quick", "cifar10").mgcn
    changes = {
        "iterations": epochs * steps,
        "propagation_steps": (0, 3),
        "kmeans_restarts": 1,
        "partition": partition,
        "memory_gib": BUDGET,
    }
    config = Config(num_clusters=NUM_CLUSTERS, mgcn=MGCNConfig(**{**vars(quick), **changes}))
    runtime = Runtime.create(0)
    autoencoder = AutoEncoder(CHANNELS, HIDDEN, NUM_CLUSTERS)
    files = (folder / "state.pt", folder / "history.jsonl")
    with Timed(*files, 0, "cluster", SilentReporter()) as monitor:
        result = train_mgcn(
            folder.parent / "features.npy",
            graphs,
            autoencoder,
            config,
            runtime,
            monitor,
            folder=folder,
        )
        seconds = monitor.finish()
    clusters = output_probabilities(result, "streams").argmax(dim=1).numpy()
    scores = clustering_metrics(np.load(folder.parent / "truth.npy"), clusters)
    return {
        "seconds_of_all_processes": seconds,
        "epoch_seconds": np.diff(starts).tolist(),
        "steps_per_epoch": steps,
        "edges": [graph.edge_index.size(1) for graph in graphs],
        "precision": runtime.precision,
        "threads": torch.get_num_threads(),
        "digest": hashlib.sha256(clusters.tobytes()).hexdigest(),
        **{name: round(scores[name], 4) for name in ("acc", "nmi", "ari")},
    }


def measure(
    stage: str, folder: Path, num_nodes: int, partition: str, epochs: int, save_interval: float
) -> None:
    """Do one stage and write its figures, seconds and peak memory last."""
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "features": lambda: make_features(folder, num_nodes),
        "neighbors": lambda: find_neighbors(folder, num_nodes),
        "cluster": lambda: cluster(folder, num_nodes, partition, epochs, save_interval),
    }
    started = time.perf_counter()
    figures = work[stage]()
    figures["seconds"] = time.perf_counter() - started
    figures["peak_gb"] = status_kib("VmHWM") * 1024 / 1e9
    partial = folder / f"{stage}.partial"
    partial.write_text(json.dumps(figures), encoding="utf-8")
    partial.replace(folder / f"{stage}.json")


if __name__ == "__main__":
    stage, folder, num_nodes, partition, epochs, save_interval = sys.argv[1:]
    path, seconds = Path(folder), float(save_interval)
    measure(stage, path, int(num_nodes), partition, int(epochs), seconds)
