"""Which scales of the k-NN graph cluster best, and does multi-scale beat single-scale?

From finished run folders (one search each), stage 2 is repeated with every combination of scales:
those of the paper's Table 6 by default, and three of three streams. Same features, same
pretrained networks, same seeds in every row; a pair is one run folder with one seed of stage 2.

Command: python -m benchmarks.k_combinations --runs DIR [DIR ...] [--k 1,10 --k 5 ...] [--seeds N]
         [--name NAME]
Runs: folders that `iciclegcn run` made of data whose labels are known, best of several seeds.
Memory: of graphs and stage 2, above what was there before. --resume goes on with a result file.
Tests, paired over run folder and seed (two-sided t-test): the mean of all multi-scale rows less
that of all single-scale rows; and the combination with the best mean less the single scale with the
best mean, which is what somebody who may choose k would ask.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.clustering_runs import METRICS
from benchmarks.common import RESULTS, write_result
from benchmarks.memory import PeakMemory
from benchmarks.scale_tables import compare, plot, summarize, table
from graphs import Neighbors, ScaleGraph, knn, scale_graphs
from graphs.stats import homophily
from iciclegcn.config import Config, GraphConfig
from iciclegcn.data.labels import read_labels
from iciclegcn.data.sources import open_source
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.methods.icicle import train_mgcn
from iciclegcn.methods.mgcn_result import output_probabilities
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn import AutoEncoder
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.runtime import Runtime
from iciclegcn.stages.icicle import pretrained_model

Scales = tuple[int, ...]
TABLE_6: tuple[Scales, ...] = ((1,), (3,), (5,), (10,), (1, 10), (3, 10), (3, 5))
THREE_STREAMS: tuple[Scales, ...] = ((1, 3, 10), (1, 5, 10), (3, 5, 10))


class StageOne(NamedTuple):
    """What stage 2 starts from."""

    config: Config
    x: torch.Tensor  # [N, D]
    y: np.ndarray  # [N]
    neighbors: Neighbors
    autoencoder: AutoEncoder


def read_run(path: Path, largest: int) -> StageOne:
    """Features, truth and networks of a finished run; the neighbours of one search at ``largest``.

    Raises:
        ValueError: If the run's data has no labels.
    """
    with RunFolder.open(path) as folder:
        config, artefacts = folder.config, folder.artefacts
        labels = read_labels(open_source(config.data), config.data, artefacts.read_listing().kept)
        if labels is None:
            raise ValueError(f"'{path}' must be a run on data whose labels are known")
        x = artefacts.read_array("features")
        found = artefacts.read_arrays("neighbors")
        neighbors = Neighbors(found["indices"], found["squared_distances"])
        if neighbors.indices.shape[1] < largest:
            neighbors = knn(x, largest, metric=config.graph.metric)
        autoencoder = pretrained_model(artefacts, config).autoencoder
    return StageOne(config, torch.from_numpy(x), labels.y, neighbors, autoencoder)


def build_graphs(stage_one: StageOne, scales: Scales) -> list[ScaleGraph]:
    """One graph a scale, as the run's configuration says."""
    options: GraphConfig = stage_one.config.graph
    return scale_graphs(
        stage_one.neighbors,
        scales,
        symmetrize=options.symmetrize,
        edge_weight=options.edge_weight,
        heat_time=options.heat_time,
        normalization=options.normalization,
    )


def measure(stage_one: StageOne, scales: Scales, seed: int) -> dict[str, float]:
    """Stage 2 once: metrics, seconds and peak memory in MiB."""
    config = dataclasses.replace(stage_one.config, seed=seed)
    runtime = Runtime.create(seed, config.device, config.precision)
    with PeakMemory() as memory:
        started = time.perf_counter()
        graphs = build_graphs(stage_one, scales)
        result = train_mgcn(
            stage_one.x, graphs, stage_one.autoencoder, config, runtime, NullMonitor()
        )
        clusters = output_probabilities(result, "streams").argmax(dim=1).numpy()
        seconds = time.perf_counter() - started
    scores = clustering_metrics(stage_one.y, clusters)
    figures = {metric: round(scores[metric], 4) for metric in METRICS}
    return figures | {"seconds": round(seconds, 2), "peak_mib": round(memory.mib, 1)}


def describe_graphs(stage_one: StageOne, scales: Scales) -> dict[str, list[float]]:
    """Directed edges without self-loops, and homophily, of every scale."""
    edges = [graph.edge_index for graph in build_graphs(stage_one, scales)]
    truth = torch.from_numpy(stage_one.y)
    return {
        "edges": [int((each[0] != each[1]).sum()) for each in edges],
        "homophily": [round(homophily(each, truth), 4) for each in edges],
    }


def run(
    folders: Sequence[Path],
    combinations: Sequence[Scales],
    seeds: int,
    known: Sequence[dict[str, Any]] = (),
) -> Iterator[list[dict[str, Any]]]:
    """Measure what is not ``known`` yet; yields all rows so far after each new one."""
    rows = list(known)
    done = {(row["run"], row["seed"], tuple(row["k"])) for row in rows}
    for folder in folders:
        stage_one = read_run(folder, max(map(max, combinations)))
        for seed in range(seeds):
            for scales in combinations:
                if (folder.name, seed, scales) in done:
                    continue
                figures = measure(stage_one, scales, seed)
                shape = describe_graphs(stage_one, scales)
                row = {"run": folder.name, "seed": seed, "k": list(scales), **figures, **shape}
                rows.append(row)
                yield rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="finished run folders")
    parser.add_argument("--k", type=_scales, action="append", help="scales of one row, as 1,10")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of stage 2 for each folder")
    parser.add_argument("--name", default="k_combinations", help="name of the result files")
    parser.add_argument("--resume", action="store_true", help="keep the rows already measured")
    parser.add_argument("--out", type=Path, help="another file for the JSON")
    options = parser.parse_args()
    path = options.out or RESULTS / f"{options.name}.json"
    known = []
    if options.resume and path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))["rows"]
    combinations = tuple(options.k or (*TABLE_6, *THREE_STREAMS))
    rows: list[dict[str, Any]] = known
    _write(options.name, rows, options.out)
    for rows in run(options.runs, combinations, options.seeds, known):
        last = rows[-1]
        print(last["run"], last["seed"], last["k"], *(last[metric] for metric in METRICS))
        _write(options.name, rows, options.out)
    summary = summarize(rows)
    path.with_suffix(".md").write_text(table(summary), encoding="utf-8")
    plot(summary, options.name, path.with_suffix(".png"))
    print("\n" + table(summary))
    for kind, tests in compare(rows).items():
        for metric, test in tests.items():
            print(
                f"{kind}, {metric.upper()}: multi-scale less single-scale "
                f"{100 * test['mean_difference']:+.2f} points (p = {test['p']}, "
                f"{test['pairs']} pairs): {test['multi_scale_is']}"
            )


def _write(name: str, rows: Sequence[dict[str, Any]], out: Path | None) -> None:
    payload = {
        "question": (__doc__ or "").splitlines()[0],
        "summary": summarize(rows),
        "multi_scale_less_single_scale": compare(rows),
        "rows": rows,
    }
    write_result(name, payload, out)


def _scales(text: str) -> Scales:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    main()
