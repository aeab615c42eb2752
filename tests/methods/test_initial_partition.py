import numpy as np
import pytest
import torch
from torch import Tensor

from iciclegcn.config import MGCNConfig
from iciclegcn.methods import initial_partition as module
from iciclegcn.methods.initial_partition import (
    SMALL_GAIN,
    InitialPartition,
    code_centers,
    graph_edges,
    initial_partition,
)
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.propagate import Propagation, prepare_propagation

SIDE = 12  # nodes of each of the two groups


class Warnings(NullMonitor):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def warn(self, message: str) -> None:
        self.messages.append(message)


def two_cliques() -> Propagation:
    """Two complete graphs with one edge between them; rows averaged, self included."""
    side = torch.arange(2 * SIDE) < SIDE
    adjacency = (side == side[:, None]).float()
    adjacency[0, -1] = adjacency[-1, 0] = 1
    weights = adjacency / adjacency.sum(1, keepdim=True)
    target, source = adjacency.nonzero().T
    return prepare_propagation(torch.stack([source, target]), weights[target, source], 2 * SIDE)


def noisy_features() -> Tensor:
    """Two groups that noise hides until neighbours are averaged."""
    generator = torch.Generator().manual_seed(0)
    side = torch.tensor([1.0] * SIDE + [-1.0] * SIDE)
    return torch.randn(2 * SIDE, 16, generator=generator) * 1.5 + side[:, None] * 0.35


def uniform_code(n: int = 2 * SIDE, k: int = 2) -> Tensor:
    return torch.full((n, k), 1 / k)


def features(*steps: int) -> MGCNConfig:
    return MGCNConfig(centers="features", propagation_steps=steps, kmeans_restarts=3)


def same_groups(assignments: np.ndarray) -> bool:
    """Whether the partition is the two cliques."""
    first, second = set(assignments[:SIDE]), set(assignments[SIDE:])
    return len(first) == len(second) == 1 and first != second


def test_the_fewest_steps_near_the_best_modularity_win() -> None:
    graph, x = two_cliques(), noisy_features()

    def partition(*steps: int) -> InitialPartition:
        return initial_partition(
            x, uniform_code(), graph, features(*steps), seed=0, monitor=NullMonitor()
        )

    unaveraged = partition(0)
    assert not same_groups(unaveraged.assignments)
    chosen = partition(5, 0, 1, 5)  # in any order, with repetitions
    assert same_groups(chosen.assignments)
    assert chosen.propagation_steps == 1
    # Of 2 * 66 + 1 edges all but one lie inside, and each side has half of the degrees.
    assert chosen.modularity == pytest.approx(132 / 133 - 1 / 2)
    assert chosen.modularity > unaveraged.modularity + SMALL_GAIN


@pytest.mark.parametrize(
    ("shortfalls", "steps"),
    [
        ((100, 50, 0), 6),
        ((100, 0.7, 0), 3),
        ((100, 1.3, 0), 6),
        ((0.7, 1.3, 0), 0),
        ((0, 100, 100), 0),
    ],
)
def test_a_small_gain_is_worth_no_further_averaging(
    shortfalls: tuple[float, ...], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    modularities = [0.7 - SMALL_GAIN * shortfall for shortfall in shortfalls]
    found = iter(modularities)
    monkeypatch.setattr(module, "modularity", lambda *_: next(found))
    chosen = initial_partition(
        noisy_features(),
        uniform_code(),
        two_cliques(),
        features(0, 3, 6),
        seed=0,
        monitor=NullMonitor(),
    )
    assert chosen.propagation_steps == steps
    assert chosen.modularity == modularities[[0, 3, 6].index(steps)]


def test_the_papers_start_is_k_means_on_the_code() -> None:
    code = torch.tensor([[0.9, 0.1]] * 5 + [[0.2, 0.8]] * 7 + [[0.9, 0.1]] * 12)
    partition = initial_partition(
        noisy_features(),
        code,
        two_cliques(),
        MGCNConfig(propagation_steps=(0, 4)),  # has no say for the code
        seed=0,
        monitor=NullMonitor(),
    )
    assert partition.propagation_steps == 0
    low = int(partition.assignments[5])
    np.testing.assert_array_equal(partition.assignments == low, code[:, 1].numpy() > 0.5)
    np.testing.assert_allclose(partition.centers[low], [0.2, 0.8], atol=1e-6)
    centers = code_centers(partition, code, MGCNConfig())
    torch.testing.assert_close(centers, torch.from_numpy(partition.centers))


def test_features_are_compared_by_direction() -> None:
    x = noisy_features()
    lengths = torch.linspace(0.1, 50, len(x))[:, None]
    partitions = [
        initial_partition(
            rows, uniform_code(), two_cliques(), features(1), seed=0, monitor=NullMonitor()
        )
        for rows in (x, x * lengths)
    ]
    np.testing.assert_array_equal(partitions[0].assignments, partitions[1].assignments)
    assert partitions[0].assignments.dtype == np.int64


def test_one_seed_gives_one_partition() -> None:
    x = torch.randn(2 * SIDE, 4, generator=torch.Generator().manual_seed(2))
    runs = [
        initial_partition(
            x, uniform_code(k=5), two_cliques(), features(0), seed=seed, monitor=NullMonitor()
        )
        for seed in (3, 3)
    ]
    np.testing.assert_array_equal(runs[0].assignments, runs[1].assignments)
    np.testing.assert_array_equal(runs[0].centers, runs[1].centers)


def test_a_collapsed_code_is_told_and_does_not_crash() -> None:
    monitor = Warnings()
    code = uniform_code(k=4)
    partition = initial_partition(
        noisy_features(), code, two_cliques(), MGCNConfig(), seed=0, monitor=monitor
    )
    assert len(monitor.messages) == 1
    assert "k-means on the code finds 1 of 4 clusters" in monitor.messages[0]
    assert "--num-clusters" in monitor.messages[0]
    assert torch.isfinite(code_centers(partition, code, MGCNConfig())).all()


def test_a_full_partition_is_no_reason_to_warn() -> None:
    monitor = Warnings()
    initial_partition(
        noisy_features(), uniform_code(), two_cliques(), features(1), seed=0, monitor=monitor
    )
    assert monitor.messages == []


def test_centers_from_features_are_mean_codes_of_their_clusters() -> None:
    code = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.0, 0.0, 1.0]])
    partition = InitialPartition(np.array([0, 0, 2]), np.zeros((3, 9), np.float32), 1, 0.4)
    centers = code_centers(partition, code, features(0))
    torch.testing.assert_close(centers[0], torch.tensor([0.7, 0.2, 0.1]))
    torch.testing.assert_close(centers[2], torch.tensor([0.0, 0.0, 1.0]))
    torch.testing.assert_close(centers[1], code.mean(0))  # nobody there


def test_graph_edges_are_rows_and_columns() -> None:
    # Node 0 receives from 1 and 2, node 2 from 0.
    graph = prepare_propagation(torch.tensor([[2, 1, 0], [0, 0, 2]]), torch.ones(3), 3)
    assert graph_edges(graph).tolist() == [[0, 0, 2], [1, 2, 0]]
