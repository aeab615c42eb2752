from pathlib import Path

import numpy as np
import pytest

from graphs import NeighborIndex
from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.progress import SilentReporter
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.stages.graph import graph_stage
from tests.tiny_run import tiny_config

N = 120


class Recorder(SilentReporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return tiny_config(tmp_path / "images.npy")


def test_the_neighbors_are_those_of_the_largest_k(config: Config, tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "run", config) as folder:
        folder.artefacts.write_array("features", np.arange(N, dtype=np.float32)[:, None] ** 2)
        graph_stage(folder, SilentReporter())
        neighbors = folder.artefacts.read_arrays("neighbors")
    assert neighbors["indices"].shape == (N, 3)
    assert neighbors["indices"][:3, 0].tolist() == [1, 0, 1]
    assert neighbors["squared_distances"][2].tolist() == [9.0, 16.0, 25.0]


def test_the_graphs_are_described_before_training(config: Config, tmp_path: Path) -> None:
    recorder = Recorder()
    with RunFolder.create(tmp_path / "run", config) as folder:
        folder.artefacts.write_array("features", np.arange(N, dtype=np.float32)[:, None] ** 2)
        graph_stage(folder, recorder)
        facts = folder.artefacts.read_graph()
        assert set(folder.artefacts.read_arrays("neighbors")) == {"indices", "squared_distances"}
    # Each row but the first is nearest to the one before it: a path.
    assert recorder.notes[:2] == [
        "exact search",
        "k = 1: 119 edges, degree 1 to 2 (mean 2.0), 1 component",
    ]
    assert recorder.notes[2].startswith("k = 3: ")
    assert facts["search"]["kind"] == "exact"
    assert [scale["k"] for scale in facts["scales"]] == [1, 3]
    assert facts["scales"][0]["num_edges"] == 119


@pytest.mark.parametrize(("index", "kept"), [("exact", False), ("ivf_flat", True)])
def test_an_approximate_index_is_kept_for_later_images(
    index: str, kept: bool, tmp_path: Path
) -> None:
    config = tiny_config(tmp_path / "images.npy", graph__index=index)
    x = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
    with RunFolder.create(tmp_path / "run", config) as folder:
        folder.artefacts.write_array("features", x)
        graph_stage(folder, SilentReporter())
    place = tmp_path / "run" / "index"
    assert place.exists() == kept
    if kept:
        found = NeighborIndex.load(place, x).search(x[5:6], 1)
        assert found.indices.tolist() == [[5]]


def test_a_search_that_falls_short_is_told_with_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphs.approximate.ApproximateSearch.most_effort", 1)
    changes = {"graph__index": "ivf_flat", "graph__target_recall": 1.0}
    config = tiny_config(tmp_path / "images.npy", **changes)
    recorder = Recorder()
    with RunFolder.create(tmp_path / "run", config) as folder:
        x = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
        folder.artefacts.write_array("features", x)
        graph_stage(folder, recorder)
        search = folder.artefacts.read_graph()["search"]
    [told] = recorder.warnings
    assert "is below the 1 asked for" in told
    assert told.endswith("(--graph.index, --graph.target_recall)")
    assert search["kind"] == "ivf_flat"
    assert search["recall"] < 1


def test_options_that_only_the_data_refuses_are_user_errors(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "images.npy", graph__metric="cosine")
    with RunFolder.create(tmp_path / "run", config) as folder:
        folder.artefacts.write_array("features", np.zeros((N, 4), np.float32))
        with pytest.raises(UserError, match="cosine"):
            graph_stage(folder, SilentReporter())
        assert not folder.is_done("graph")
