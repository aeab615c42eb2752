"""Other second stages on a finished IcicleGCN run: same features, same pretrained networks.

Command: python -m benchmarks.stage_two NAME --run FOLDER --seconds BUDGET --out FOLDER
One process a row; `benchmarks.methods` starts it. FOLDER gets found.npz and facts.json. A method
stops at its own published number of steps, or at the most that fit the budget.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.k_combinations import StageOne, build_graphs, read_run
from benchmarks.schedules import Trial, costs, fitting_epochs
from iciclegcn.config import Config, GraphConfig, MGCNConfig
from iciclegcn.methods.icicle import train_mgcn
from iciclegcn.methods.mgcn_result import output_probabilities
from iciclegcn.monitor import NullMonitor
from iciclegcn.presets import preset_config
from iciclegcn.runtime import Runtime


def paper(config: Config) -> Config:
    """The paper's second stage to the letter."""
    return _of_preset(config, "paper")


def official(config: Config) -> Config:
    """The second stage as the published code computes it."""
    return _of_preset(config, "official")


def sdcn(config: Config) -> Config:
    """Structural deep clustering (Bo et al., 2020): one stream on the 10-nearest-neighbour graph.

    Half of every layer's input is the auto-encoder's; 200 steps of Adam at 1e-3; the row-normalised
    graph, mean reconstruction error and weights .1 and .01 of its published code.
    """
    mgcn = MGCNConfig(
        sigma=0.5,
        gamma=0.0,
        autoencoder_weight=0.5,
        iterations=200,
        learning_rate=1e-3,
        reconstruction="entry_mean",
        code_weight=0.1,
        stream_weights=(0.01,),
    )
    graph = GraphConfig(k=(10,), normalization="row")
    return dataclasses.replace(config, graph=graph, mgcn=mgcn)


VARIANTS: dict[str, Callable[[Config], Config]] = {
    each.__name__: each for each in (paper, official, sdcn)
}


def with_iterations(stage_one: StageOne, iterations: int) -> StageOne:
    """The same start with another number of steps."""
    mgcn = dataclasses.replace(stage_one.config.mgcn, iterations=iterations)
    return stage_one._replace(config=dataclasses.replace(stage_one.config, mgcn=mgcn))


def train(stage_one: StageOne) -> tuple[np.ndarray, float]:
    """Graphs and stage 2: soft assignments [N, K] and the seconds."""
    config = stage_one.config
    runtime = Runtime.create(config.seed, config.device, config.precision)
    started = time.perf_counter()
    graphs = build_graphs(stage_one, config.graph.k)
    result = train_mgcn(stage_one.x, graphs, stage_one.autoencoder, config, runtime, NullMonitor())
    probabilities = output_probabilities(result, config.mgcn.output).detach().numpy()
    return probabilities, time.perf_counter() - started


def _of_preset(config: Config, name: str) -> Config:
    preset = preset_config(name, config.data.source)
    return dataclasses.replace(config, graph=preset.graph, mgcn=preset.mgcn)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=VARIANTS)
    parser.add_argument("--run", type=Path, required=True, help="a finished IcicleGCN run")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    change = VARIANTS[options.name]
    largest = max(change(Config()).graph.k)
    stage_one = read_run(options.run, largest)
    stage_one = stage_one._replace(config=change(stage_one.config))
    _, *trials = [
        Trial((steps,), train(with_iterations(stage_one, steps))[1]) for steps in (1, 1, 11)
    ]
    published = stage_one.config.mgcn.iterations
    steps = min(published, fitting_epochs(costs(trials), options.seconds))
    probabilities, seconds = train(with_iterations(stage_one, steps))
    options.out.mkdir(parents=True, exist_ok=True)
    assignments = probabilities.argmax(axis=1)
    np.savez(options.out / "found.npz", assignments=assignments, probabilities=probabilities)
    facts = {
        "epochs": steps,
        "published_epochs": published,
        "trials": trials,
        "seconds": round(seconds, 2),
    }
    (options.out / "facts.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
