import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from graphs import ScaleGraph, knn, scale_graphs
from graphs.partition import metis_is_installed
from iciclegcn.config import MGCNConfig
from iciclegcn.errors import UserError
from iciclegcn.methods.cell_batches import CellBatches
from iciclegcn.methods.choose_nodes import choose_nodes
from iciclegcn.methods.memory import FIXED_BYTES
from iciclegcn.methods.training_nodes import TrainingNodes
from iciclegcn.methods.whole_graph import WholeGraph
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime

N, WIDTHS = 60, (6, 8, 3)
SMALL = FIXED_BYTES / 2**30  # GiB: nothing fits beside the fixed part


class Listener(NullMonitor):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def warn(self, message: str) -> None:
        self.messages.append(message)


def features() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((N, WIDTHS[0])).astype(np.float32)


def graphs() -> list[ScaleGraph]:
    return scale_graphs(knn(features(), 4), (1, 4))


def chosen(
    monitor: Listener | None = None, state: dict[str, torch.Tensor] | None = None, **changes: object
) -> tuple[TrainingNodes, float]:
    options = dataclasses.replace(MGCNConfig(cell_size=10, cells_per_step=2), **changes)  # type: ignore[arg-type]
    return choose_nodes(
        features(),
        graphs(),
        WIDTHS,
        options,
        Runtime.create(device="cpu", precision="fp32"),
        monitor or Listener(),
        state=state,
        folder=None,
    )


def test_what_fits_is_trained_whole_and_silently() -> None:
    monitor = Listener()
    nodes, memory = chosen(monitor, memory_gib=1.0)
    assert isinstance(nodes, WholeGraph)
    assert monitor.messages == []
    assert SMALL < memory < 1.1 * SMALL


def test_what_does_not_fit_is_cut_and_told() -> None:
    monitor = Listener()
    nodes, memory = chosen(monitor, memory_gib=SMALL)
    assert isinstance(nodes, CellBatches)
    assert memory < chosen(memory_gib=1.0)[1]
    [message] = monitor.messages
    assert "all 60 nodes at once" in message
    assert "'mgcn.memory_gib' allows 0.2" in message
    assert "trains on 2 of 6 cells" in message
    assert ("pip install pymetis" in message) == (not metis_is_installed())
    assert "lower 'mgcn.cells_per_step'" in message


def test_without_pymetis_the_features_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monitor = Listener()
    assert isinstance(chosen(monitor, memory_gib=SMALL)[0], CellBatches)
    assert "'pip install pymetis' cuts fewer edges" in monitor.messages[0]
    with pytest.raises(UserError, match=r"'mgcn.partition' metis: .* pip install pymetis.* cells"):
        chosen(partition="metis")


def test_an_option_decides_against_the_memory() -> None:
    assert isinstance(chosen(partition="none", memory_gib=SMALL)[0], WholeGraph)
    assert isinstance(chosen(partition="cells", memory_gib=9.0)[0], CellBatches)


@pytest.mark.skipif(not metis_is_installed(), reason="pymetis is not installed")
def test_metis_cuts_fewer_edges_than_features_at_random() -> None:
    nodes, _ = chosen(partition="metis")
    assert isinstance(nodes, CellBatches)
    edges = graphs()[1].edge_index
    cells = nodes.state_dict()["cells"]
    inside = (cells[edges[0]] == cells[edges[1]]).float().mean()
    shuffled = cells[torch.randperm(N, generator=torch.Generator().manual_seed(0))]
    assert inside > 1.5 * (shuffled[edges[0]] == shuffled[edges[1]]).float().mean()


def test_an_interrupted_run_decides_as_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Listener()
    saved = {"cells": torch.arange(N, dtype=torch.int32) % 4}
    nodes, _ = chosen(monitor, saved, memory_gib=9.0)
    assert isinstance(nodes, CellBatches)
    assert torch.equal(nodes.state_dict()["cells"], saved["cells"])
    assert isinstance(chosen(monitor, {}, memory_gib=SMALL)[0], WholeGraph)
    assert monitor.messages == []


def test_a_path_is_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", features())
    options = MGCNConfig(partition="cells", cell_size=10)
    runtime = Runtime.create(device="cpu", precision="fp32")
    nodes, _ = choose_nodes(
        tmp_path / "x.npy",
        graphs(),
        WIDTHS,
        options,
        runtime,
        Listener(),
        state=None,
        folder=tmp_path,
    )
    assert torch.equal(nodes.original(nodes.x[torch.arange(N)]), torch.from_numpy(features()))
