"""Training of stage 2 on three far-apart blobs: fast, and every wrong turn shows."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from graphs import ScaleGraph, knn, scale_graphs
from iciclegcn.config import Config, GraphConfig, MGCNConfig
from iciclegcn.methods import icicle
from iciclegcn.methods.icicle import train_mgcn
from iciclegcn.methods.mgcn_losses import mgcn_losses
from iciclegcn.methods.mgcn_result import MGCNResult, output_probabilities
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn import AutoEncoder
from iciclegcn.runtime import Runtime

K, CHANNELS, NUM_NODES = 3, 8, 90


class Recorder(NullMonitor):
    """Remembers everything; ``stop_at`` interrupts the training like a kill does."""

    def __init__(self, stop_at: int | None = None, state: dict[str, Any] | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        self.warnings: list[str] = []
        self.state = state
        self.stop_at = stop_at

    def load(self) -> dict[str, Any] | None:
        return self.state

    def save(self, state: dict[str, Any]) -> None:
        self.state = copy.deepcopy(state)

    def log(self, step: int, **values: float) -> None:
        if step == self.stop_at:
            raise KeyboardInterrupt
        self.rows.append(values)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def features() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    means = 3 * torch.randn(K, CHANNELS, generator=generator)
    return means.repeat(NUM_NODES // K, 1) + torch.randn(NUM_NODES, CHANNELS, generator=generator)


def graphs_of(x: Tensor, k: tuple[int, ...] = (1, 5)) -> list[ScaleGraph]:
    return scale_graphs(knn(x.numpy(), max(k)), k)


def autoencoder() -> AutoEncoder:
    torch.manual_seed(0)
    return AutoEncoder(CHANNELS, (10, 16), K)


def configured(k: tuple[int, ...] = (1, 5), **changes: Any) -> Config:
    options = MGCNConfig(
        iterations=8, learning_rate=1e-2, kmeans_restarts=2, reconstruction="entry_mean"
    )
    return Config(K, graph=GraphConfig(k=k), mgcn=dataclasses.replace(options, **changes))


def in_cells(**changes: Any) -> Config:
    """As `configured`, in steps of two cells of about 15 nodes; 3 steps an epoch."""
    return configured(partition="cells", cell_size=15, cells_per_step=2, **changes)


def train(
    config: Config, monitor: Recorder | None = None, *, seed: int = 0, precision: str = "fp32"
) -> MGCNResult:
    x = features()
    runtime = Runtime.create(seed, "cpu", precision)
    graphs = graphs_of(x, config.graph.k)
    return train_mgcn(x, graphs, autoencoder(), config, runtime, monitor or Recorder())


def assert_close(a: MGCNResult, b: MGCNResult, tolerance: float = 1e-4) -> None:
    for first, second in zip((a.q, a.code, *a.streams), (b.q, b.code, *b.streams), strict=True):
        torch.testing.assert_close(first, second, rtol=tolerance, atol=tolerance)


def assert_identical(a: MGCNResult, b: MGCNResult) -> None:
    for first, second in zip((a.q, a.code, *a.streams), (b.q, b.code, *b.streams), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("k", [(5,), (1, 5), (1, 3, 5)])
@pytest.mark.parametrize("neighbor_weight", [0.0, 1.0])
def test_any_number_of_scales_trains(k: tuple[int, ...], neighbor_weight: float) -> None:
    monitor = Recorder()
    result = train(configured(k, neighbor_weight=neighbor_weight), monitor)
    assert len(result.streams) == len(k)
    for soft in (result.q, result.code, *result.streams):
        assert soft.shape == (NUM_NODES, K)
        assert soft.dtype is torch.float32
        torch.testing.assert_close(soft.sum(1), torch.ones(NUM_NODES))
    assert len(monitor.rows) == 8
    assert monitor.rows[-1]["loss"] < monitor.rows[0]["loss"]
    assert (monitor.rows[0]["neighbor"] == 0) == (neighbor_weight == 0)
    assert f"kl_stream_{len(k) - 1}" in monitor.rows[0]


def test_neighbours_pull_the_streams_to_the_blobs() -> None:
    config = configured(
        iterations=60,
        gcn_init="encoder",
        centers="features",
        neighbor_weight=1.0,
        code_weight=0.0,
        stream_weights=(0.0,),
    )
    found = output_probabilities(train(config), "streams").argmax(1).reshape(-1, K)
    assert torch.equal(found, found[:1].expand_as(found))
    assert found[0].sort().values.tolist() == [0, 1, 2]


@pytest.mark.parametrize("stop_at", [1, 4, 7])
@pytest.mark.parametrize("gcn_init", ["random", "encoder"])
def test_an_interrupted_training_ends_in_the_same_bits(
    stop_at: int, gcn_init: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icicle, "SAVE_INTERVAL", -1.0)
    config = configured(neighbor_weight=1.0, gcn_init=gcn_init)
    whole = train(config)
    first = Recorder(stop_at)
    with pytest.raises(KeyboardInterrupt):
        train(config, first)
    assert first.state is not None
    assert first.state["iteration"] == stop_at
    second = Recorder(state=first.state)
    torch.manual_seed(12345)  # what went on in between must not matter
    assert_identical(train(config, second), whole)
    assert len(second.rows) == 8 - stop_at


@pytest.mark.parametrize("stop_at", [1, 3, 4, 7])
@pytest.mark.parametrize("keep", ["last", "modularity"])
def test_an_interrupted_training_in_cells_ends_in_the_same_bits(
    stop_at: int, keep: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icicle, "SAVE_INTERVAL", -1.0)
    config = in_cells(neighbor_weight=1.0, keep=keep)
    whole = train(config)
    first = Recorder(stop_at)
    with pytest.raises(KeyboardInterrupt):
        train(config, first)
    assert first.state is not None
    assert first.state["iteration"] == stop_at
    torch.manual_seed(12345)
    # Whatever is decided anew, by the memory or the packages that are there, is decided as before.
    other = configured(partition="none", cells_per_step=2, neighbor_weight=1.0, keep=keep)
    assert_identical(train(other, Recorder(state=first.state)), whole)


STARTS: dict[str, dict[str, Any]] = {
    "paper": {"learning_rate": 1e-3},
    "quick": {
        "gcn_init": "encoder",
        "centers": "features",
        "propagation_steps": (0, 2),
        "code_warmup_steps": 3,
        "neighbor_weight": 1.0,
        "keep": "modularity",
        "learning_rate": 1e-3,
    },
}


@pytest.mark.parametrize("k", [(5,), (1, 5)])
@pytest.mark.parametrize("start", list(STARTS))
def test_one_cell_of_everything_is_full_batch(k: tuple[int, ...], start: str) -> None:
    options = STARTS[start]
    monitor, other = Recorder(), Recorder()
    whole = train(configured(k, **options), monitor)
    cell = train(configured(k, partition="cells", cell_size=NUM_NODES, **options), other)
    assert_close(cell, whole)
    for row, expected in zip(other.rows, monitor.rows, strict=True):
        assert row == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_cells_find_the_blobs_too() -> None:
    config = in_cells(
        iterations=60,
        gcn_init="encoder",
        centers="features",
        neighbor_weight=1.0,
        code_weight=0.0,
        stream_weights=(0.0,),
    )
    found = output_probabilities(train(config), "streams").argmax(1).reshape(-1, K)
    assert torch.equal(found, found[:1].expand_as(found))
    assert found[0].sort().values.tolist() == [0, 1, 2]


@pytest.mark.parametrize("partition", ["none", "cells"])
def test_features_may_be_an_array_a_mapped_file_or_its_path(partition: str, tmp_path: Path) -> None:
    config = configured(partition=partition, cell_size=15)
    x, runtime = features(), Runtime.create(device="cpu")
    file = tmp_path / "features.npy"
    np.save(file, x.numpy())
    forms = [x, x.numpy(), np.load(file, mmap_mode="r"), file]
    first, *others = (
        train_mgcn(form, graphs_of(x), autoencoder(), config, runtime, Recorder(), folder=tmp_path)
        for form in forms
    )
    for other in others:
        assert_identical(other, first)
    assert list(tmp_path.iterdir()) == [file]


def test_targets_in_cells_use_the_frequencies_of_all_nodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Tensor] = []

    def remember(*arguments: Any) -> Any:
        seen.append(arguments[4])
        return mgcn_losses(*arguments)

    monkeypatch.setattr(icicle, "mgcn_losses", remember)
    config = in_cells(iterations=4)
    train(config)
    assert [float(frequency.sum()) for frequency in seen] == pytest.approx([NUM_NODES] * 4)
    # Constant within an epoch of 3 steps, and from the weights at its start.
    start = train(in_cells(iterations=0)).q.sum(dim=0)
    torch.testing.assert_close(seen[0], start)
    assert seen[0] is seen[1] is seen[2]
    assert not torch.equal(seen[3], seen[0])


def test_the_seed_decides_everything() -> None:
    config = configured(neighbor_weight=1.0)
    assert_identical(train(config), train(config))
    assert not torch.equal(train(config).streams[0], train(config, seed=1).streams[0])


def test_inputs_stay_as_they_were() -> None:
    x, coder = features(), autoencoder()
    graphs = graphs_of(x)
    kept = copy.deepcopy((x, coder.state_dict(), graphs))
    train_mgcn(x, graphs, coder, configured(), Runtime.create(device="cpu"), Recorder())
    assert torch.equal(x, kept[0])
    assert all(torch.equal(value, kept[1][name]) for name, value in coder.state_dict().items())
    for graph, old in zip(graphs, kept[2], strict=True):
        assert torch.equal(graph.edge_index, old.edge_index)
        assert torch.equal(graph.edge_weight, old.edge_weight)


def test_without_reconstruction_the_decoder_does_not_learn() -> None:
    model = train(configured(reconstruction_weight=0.0)).model.autoencoder
    for old, new in zip(autoencoder().parameters(), model.parameters(), strict=True):
        in_decoder = any(new is parameter for parameter in model.decoder.parameters())
        assert torch.equal(old, new) == in_decoder


def test_without_iterations_the_start_is_returned() -> None:
    result = train(configured(iterations=0))
    torch.testing.assert_close(result.code, autoencoder().encode(features())[-1].detach())


def test_a_loss_that_is_not_finite_names_the_iteration_and_every_term() -> None:
    with pytest.raises(
        FloatingPointError, match=r"iteration [1-7]: loss .* kl_code .* kl_stream_1"
    ):
        train(configured(learning_rate=1e30))


def test_a_collapsed_code_neither_crashes_nor_goes_unnoticed() -> None:
    coder, monitor = autoencoder(), Recorder()
    with torch.no_grad():
        for parameter in coder.parameters():
            parameter.zero_()  # every row has the code (1/3, 1/3, 1/3)
    x = features()
    config = configured(gcn_init="encoder", iterations=2)
    result = train_mgcn(x, graphs_of(x), coder, config, Runtime.create(device="cpu"), monitor)
    assert all(torch.isfinite(stream).all() for stream in result.streams)
    assert any("the first partition has 1 of 3" in message for message in monitor.warnings)
    assert any("2 of 3 clusters have no images" in message for message in monitor.warnings)


def test_bf16_finds_the_clusters_of_fp32() -> None:
    config = configured(iterations=20, gcn_init="encoder", neighbor_weight=1.0)
    single, half = train(config), train(config, precision="bf16")
    assert not torch.equal(single.q, half.q)
    for name in ("streams", "q"):
        a, b = (output_probabilities(result, name) for result in (single, half))
        assert a.dtype is b.dtype is torch.float32
        assert (a.argmax(1) == b.argmax(1)).float().mean() > 0.97
        torch.testing.assert_close(a, b, rtol=0, atol=0.05)
