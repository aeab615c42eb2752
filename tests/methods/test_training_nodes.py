import torch

from graphs import knn, scale_graphs
from iciclegcn.methods.training_nodes import largest, prepare_graphs
from iciclegcn.nn.propagate import propagate

NUM_NODES = 40


def features() -> torch.Tensor:
    return torch.randn(NUM_NODES, 5, generator=torch.Generator().manual_seed(0))


def test_rows_of_a_row_normalised_graph_receive_means() -> None:
    x = features()
    graph = scale_graphs(knn(x.numpy(), 5), (5,), normalization="row")[0]
    [prepared] = prepare_graphs([graph], NUM_NODES, x.device)
    ones = torch.ones(NUM_NODES, 1)
    torch.testing.assert_close(propagate(prepared, ones), ones)


def test_the_largest_graph_has_the_most_edges() -> None:
    graphs = scale_graphs(knn(features().numpy(), 7), (3, 7, 1))
    assert largest(graphs) == 1
    assert largest(graphs[2:]) == 0
