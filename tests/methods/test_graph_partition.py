import numpy as np
import pytest
import torch
from torch import Tensor

from graphs import knn, scale_graphs
from iciclegcn.config import MGCNConfig
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.methods.graph_partition import _information, graph_partition
from iciclegcn.methods.training_nodes import prepare_graphs
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.propagate import Propagation
from tests.memory_monitor import MemoryMonitor

OPTIONS = MGCNConfig(centers="graph", kmeans_restarts=2, propagation_steps=(0, 2))


def rings(count: int) -> tuple[Propagation, np.ndarray]:
    """Points on concentric circles, which k-means on them cannot tell apart, and their graph."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(count), 80)
    angle = np.arange(len(y)) * 2 * np.pi / 80
    radius = 1 + 2 * y + rng.normal(0, 0.05, len(y))
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    graphs = scale_graphs(knn(x, 6), (6,))
    return prepare_graphs(graphs, len(x), torch.device("cpu"))[0], y


def flat_code(num_nodes: int, num_clusters: int) -> Tensor:
    noise = torch.rand(num_nodes, num_clusters, generator=torch.Generator().manual_seed(0))
    return torch.softmax(0.01 * noise, dim=1)


def test_the_graph_tells_circles_apart() -> None:
    graph, y = rings(3)
    found = graph_partition(flat_code(len(y), 3), graph, OPTIONS, seed=0, monitor=NullMonitor())
    assert clustering_metrics(y, found.assignments)["acc"] == 1
    assert found.modularity > 0.6
    assert found.assignments.dtype == np.int64


def test_centres_are_the_mean_code_of_the_clusters() -> None:
    graph, y = rings(3)
    code = flat_code(len(y), 3)
    found = graph_partition(code, graph, OPTIONS, seed=0, monitor=NullMonitor())
    for cluster in range(3):
        expected = code.numpy()[found.assignments == cluster].mean(axis=0)
        np.testing.assert_allclose(found.centers[cluster], expected, rtol=1e-5)


def test_the_code_is_a_candidate_too(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, y = rings(3)
    module = "iciclegcn.methods.graph_partition"
    monkeypatch.setattr(f"{module}._spectral_partitions", lambda *_: [])
    code = torch.nn.functional.one_hot(torch.from_numpy(y)).float()
    found = graph_partition(code, graph, OPTIONS, seed=0, monitor=NullMonitor())
    assert clustering_metrics(y, found.assignments)["acc"] == 1


def test_of_partitions_that_the_graph_finds_alike_the_code_decides() -> None:
    # Four rings and two clusters: every pairing cuts no edge and is as large.
    graph, y = rings(4)
    for pairs in ([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]):
        truth = np.array(pairs)[y]
        code = 0.4 + 0.2 * torch.nn.functional.one_hot(torch.from_numpy(truth)).float()
        found = graph_partition(code, graph, OPTIONS, seed=0, monitor=NullMonitor())
        assert clustering_metrics(truth, found.assignments)["acc"] == 1


def test_information_is_that_of_the_joint_distribution() -> None:
    assignments = torch.tensor([0, 1, 2, 2])
    certain = torch.nn.functional.one_hot(assignments).float()
    # Known clusters tell all: the entropy of 1/4, 1/4, 1/2.
    assert _information(assignments, certain) == pytest.approx(1.5 * np.log(2))
    assert _information(assignments, torch.full((4, 3), 1 / 3)) == pytest.approx(0, abs=1e-12)


def test_the_same_seed_gives_the_same_partition() -> None:
    graph, y = rings(2)
    code = flat_code(len(y), 5)
    first, again = (
        graph_partition(code, graph, OPTIONS, seed=7, monitor=NullMonitor()) for _ in range(2)
    )
    np.testing.assert_array_equal(first.assignments, again.assignments)
    assert len(np.unique(first.assignments)) == 5


def test_missing_clusters_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, y = rings(2)
    module = "iciclegcn.methods.graph_partition"
    monkeypatch.setattr(f"{module}._spectral_partitions", lambda *_: [])
    code = torch.nn.functional.one_hot(torch.from_numpy(y), 3).float()
    monitor = MemoryMonitor()
    graph_partition(code, graph, OPTIONS, seed=0, monitor=monitor)
    assert "has 2 of 3 clusters" in monitor.warnings[0]
