import numpy as np
import pytest
import torch
from torch import Tensor

from iciclegcn.config import MGCNConfig
from iciclegcn.methods.initial_partition import (
    InitialPartition,
    choose,
    code_centers,
    code_partitions,
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
    assert chosen.modularity > unaveraged.modularity


@pytest.mark.parametrize(
    ("modularities", "steps"),
    [
        # The best misses .4 of .9, so .02 is close.
        ((0.30, 0.40, 0.50), 6),
        ((0.30, 0.481, 0.50), 3),
        ((0.30, 0.479, 0.50), 6),
        ((0.481, 0.30, 0.50), 0),
        ((0.50, 0.30, 0.30), 0),
        # A clean graph: .8999 misses next to nothing, and so .001 more counts.
        ((0.8989, 0.8989, 0.8999), 6),
        ((0.95, 0.97, 0.97), 3),  # beyond .9, as clusters that no edge joins may be
    ],
)
def test_a_small_gain_is_worth_no_further_averaging(
    modularities: tuple[float, ...], steps: int
) -> None:
    candidates = [
        InitialPartition(np.arange(10), np.zeros((10, 2), np.float32), each, found)
        for each, found in zip((0, 3, 6), modularities, strict=True)
    ]
    chosen = choose(candidates[::-1], 10, NullMonitor())
    assert chosen.propagation_steps == steps


def test_of_equally_few_steps_the_better_one_is_taken() -> None:
    candidates = [
        InitialPartition(np.arange(2), np.zeros((2, 2), np.float32), 0, found)
        for found in (0.30, 0.301, 0.29)
    ]
    assert choose(candidates, 2, NullMonitor()).modularity == 0.301


def either(*steps: int) -> MGCNConfig:
    return MGCNConfig(centers="either", propagation_steps=steps, kmeans_restarts=3)


def code_that_knows(strength: float) -> Tensor:
    """A code that names the two cliques, but for one node of the first."""
    side = torch.arange(2 * SIDE) >= SIDE
    side[3] = True
    right = 0.5 + strength * (side.float() - 0.5)
    return torch.stack([1 - right, right], dim=1)


def test_a_code_that_follows_the_graph_better_than_features_is_the_start() -> None:
    noise = torch.randn(2 * SIDE, 16, generator=torch.Generator().manual_seed(1))
    arguments = (noise, code_that_knows(0.4), two_cliques())
    found = initial_partition(*arguments, either(0), seed=0, monitor=NullMonitor())
    np.testing.assert_array_equal(found.assignments, code_that_knows(0.4).argmax(1).numpy())
    np.testing.assert_allclose(found.centers, [[0.7, 0.3], [0.3, 0.7]], atol=1e-6)
    assert found.propagation_steps == 0
    averaged = initial_partition(*arguments, either(1), seed=0, monitor=NullMonitor())
    assert same_groups(averaged.assignments)  # its neighbours outvote the stray node
    assert averaged.centers.shape[1] in (2, 16)


def test_features_that_follow_the_graph_better_than_the_code_are_the_start() -> None:
    found = initial_partition(
        noisy_features(), uniform_code(), two_cliques(), either(1), seed=0, monitor=NullMonitor()
    )
    assert same_groups(found.assignments)
    assert found.centers.shape == (2, 16)


def test_code_partitions_average_the_code() -> None:
    # Both nodes receive the mean of the two rows.
    graph = prepare_propagation(
        torch.tensor([[0, 1, 0, 1], [0, 0, 1, 1]]), torch.full((4,), 0.5), 2
    )
    code = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
    raw, averaged = code_partitions(code, graph, graph_edges(graph), either(1, 0))
    assert (raw.propagation_steps, averaged.propagation_steps) == (0, 1)
    assert raw.assignments.tolist() == [0, 1]
    np.testing.assert_allclose(raw.centers, [[0.9, 0.1], [0.4, 0.6]])
    assert averaged.assignments.tolist() == [0, 0]
    np.testing.assert_allclose(averaged.centers, [[0.65, 0.35], [0.0, 0.0]], atol=1e-6)


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
    assert "the first partition has 1 of 4 clusters" in monitor.messages[0]
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
