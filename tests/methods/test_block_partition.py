import numpy as np
import pytest
import torch
from torch import Tensor

from graphs import knn, scale_graphs
from iciclegcn.config import MGCNConfig
from iciclegcn.methods import block_partition
from iciclegcn.methods.block_partition import initial_partition_in_blocks, kmeans_in_blocks
from iciclegcn.methods.initial_partition import initial_partition
from iciclegcn.methods.training_nodes import prepare_graphs
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.propagate import Propagation

N, K = 120, 3
FEATURES = MGCNConfig(centers="features", propagation_steps=(0, 1, 3), kmeans_restarts=2)


def features() -> Tensor:
    """Three groups by direction, of any length."""
    generator = torch.Generator().manual_seed(0)
    means = torch.eye(K, 8).repeat(N // K, 1)
    x = means + 0.25 * torch.randn(N, 8, generator=generator)
    return x * torch.linspace(0.5, 20, N)[:, None]


def graph() -> Propagation:
    graphs = scale_graphs(knn(features().numpy(), 4, metric="cosine"), (4,))
    return prepare_graphs(graphs, N, torch.device("cpu"))[0]


def code() -> Tensor:
    return torch.softmax(4 * features()[:, :K], dim=1)


EITHER = MGCNConfig(centers="either", propagation_steps=(0, 2), kmeans_restarts=2)


@pytest.mark.parametrize("options", [FEATURES, EITHER, MGCNConfig(kmeans_restarts=2)])
def test_few_rows_give_the_partition_of_the_other_function(options: MGCNConfig) -> None:
    arguments = (features(), code(), graph(), options)
    found = initial_partition_in_blocks(*arguments, seed=0, monitor=NullMonitor(), folder=None)
    expected = initial_partition(*arguments, seed=0, monitor=NullMonitor())
    assert np.array_equal(found.assignments, expected.assignments)
    np.testing.assert_allclose(found.centers, expected.centers, atol=1e-5)
    assert found.propagation_steps == expected.propagation_steps
    assert found.modularity == pytest.approx(expected.modularity)


@pytest.mark.parametrize("directions", [True, False])
def test_a_sample_names_the_groups_of_all_rows(
    directions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_partition, "KMEANS_ROWS", 40)
    rows = features() if directions else torch.nn.functional.normalize(features())
    found, centers = kmeans_in_blocks(rows, K, 3, 0, directions=directions)
    groups = found.reshape(-1, K)
    assert (groups == groups[0]).all()
    assert sorted(groups[0]) == [0, 1, 2]
    assert centers.shape == (K, 8)
    again, _ = kmeans_in_blocks(rows, K, 3, 0, directions=directions)
    assert np.array_equal(again, found)
    # Every row is with the nearest centre.
    unit = torch.nn.functional.normalize(rows, dim=1)
    nearest = torch.cdist(unit, torch.from_numpy(centers)).argmin(1)
    assert np.array_equal(nearest.numpy(), found)
