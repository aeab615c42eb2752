import numpy as np
import torch

from graphs import knn, scale_graphs
from iciclegcn.config import GraphConfig
from iciclegcn.methods.scales import graphs_of

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


def test_every_option_reaches_the_graphs() -> None:
    neighbors = knn(X, 4)
    options = {
        "symmetrize": "mutual",
        "edge_weight": "heat",
        "heat_time": 2.0,
        "normalization": "row",
    }
    found = graphs_of(neighbors, GraphConfig(k=(2, 4), **options))  # type: ignore[arg-type]
    expected = scale_graphs(neighbors, (2, 4), **options)  # type: ignore[arg-type]
    assert len(found) == 2
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.edge_index, other.edge_index)
        assert torch.equal(one.edge_weight, other.edge_weight)
