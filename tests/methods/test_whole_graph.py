import numpy as np
import torch

from graphs import knn, scale_graphs
from iciclegcn.config import MGCNConfig
from iciclegcn.methods.whole_graph import WholeGraph
from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.runtime import Runtime


def test_every_step_sees_everything() -> None:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32))
    graphs = scale_graphs(knn(x.numpy(), 4), (1, 4))
    nodes = WholeGraph(x, graphs, MGCNConfig(), Runtime.create(device="cpu", precision="fp32"))
    assert nodes.batch(0) is nodes.batch(7)
    batch = nodes.batch(0)
    assert torch.equal(batch.x, x)
    assert [graph.num_nodes for graph in batch.graphs] == [30, 30]
    assert torch.equal(nodes.edge_index, graphs[1].edge_index)
    model = MGCN(AutoEncoder(5, (6,), 3), 2)
    found = nodes.assign(model)
    with torch.no_grad():
        expected = model.assign(batch.x, batch.graphs)
    torch.testing.assert_close(found.streams[1], expected.streams[1])
    assert torch.equal(nodes.q(model), found.q)
    assert torch.equal(nodes.code(model.autoencoder), found.code)
    assert torch.equal(nodes.original(found.q), found.q)
    assert nodes.state_dict() == {}
