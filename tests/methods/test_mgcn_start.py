import copy

import numpy as np
import torch
from torch import Tensor

from graphs import knn, scale_graphs
from iciclegcn.config import MGCNConfig
from iciclegcn.methods.mgcn_start import build_model, start_model
from iciclegcn.methods.whole_graph import WholeGraph
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.runtime import Runtime

N, K = 45, 3


def runtime(seed: int = 0) -> Runtime:
    return Runtime.create(seed, "cpu", "fp32")


def autoencoder() -> AutoEncoder:
    torch.manual_seed(0)
    return AutoEncoder(6, (8,), K)


def features() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.eye(K, 6).repeat(N // K, 1) * 4 + torch.randn(N, 6, generator=generator)


def start(options: MGCNConfig, seed: int = 0) -> MGCN:
    graphs = scale_graphs(knn(features().numpy(), 4), (1, 4))
    nodes = WholeGraph(features(), graphs, options, runtime(seed))
    return start_model(autoencoder(), nodes, 2, options, runtime(seed), NullMonitor())


def test_the_centres_are_the_mean_codes_of_the_first_partition() -> None:
    model = start(MGCNConfig(centers="features", kmeans_restarts=2))
    code = autoencoder().encode(features())[-1].detach()
    means = torch.stack([code[group::K].mean(dim=0) for group in range(K)])
    found = model.assignment.centers.detach()
    distances = torch.cdist(found, means)
    assert sorted(distances.argmin(dim=1).tolist()) == [0, 1, 2]
    assert distances.min(dim=1).values.max() < 1e-5


def test_the_warm_up_changes_the_copy_alone() -> None:
    coder = autoencoder()
    kept = copy.deepcopy(coder.state_dict())
    options = MGCNConfig(centers="features", code_warmup_steps=3, kmeans_restarts=1)
    graphs = scale_graphs(knn(features().numpy(), 4), (4,))
    nodes = WholeGraph(features(), graphs, options, runtime())
    model = start_model(coder, nodes, 1, options, runtime(), NullMonitor())
    assert all(torch.equal(value, kept[name]) for name, value in coder.state_dict().items())
    assert not torch.equal(model.autoencoder.encoder[0].weight, kept["encoder.0.weight"])  # type: ignore[arg-type]


def test_the_streams_weights_come_from_the_seed_or_the_encoder() -> None:
    first, again, other = (
        build_model(autoencoder(), 2, MGCNConfig(), runtime(seed)).gcn.stream_layers(1)[0]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first.lin.weight, again.lin.weight)
    assert not torch.equal(first.lin.weight, other.lin.weight)
    same = build_model(autoencoder(), 2, MGCNConfig(gcn_init="encoder"), runtime())
    np.testing.assert_array_equal(
        same.gcn.stream_layers(1)[0].lin.weight.detach(),
        same.autoencoder.encoder[0].weight.detach(),  # type: ignore[operator]
    )
