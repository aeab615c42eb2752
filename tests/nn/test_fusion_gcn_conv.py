import subprocess
import sys
import warnings

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import coalesce

from iciclegcn.nn import FusionGCNConv
from iciclegcn.nn.propagate import Propagation, prepare_propagation

# Node 1 receives half of 0 and half of itself; 0 and 2 keep themselves; 3 is isolated.
EDGES = torch.tensor([[0, 1, 0, 2], [1, 1, 0, 2]])
WEIGHTS = torch.tensor([0.5, 0.5, 1.0, 1.0])


def csr(edge_index: Tensor, edge_weight: Tensor, num_nodes: int) -> Tensor:
    size = (num_nodes, num_nodes)
    adj_t = torch.sparse_coo_tensor(edge_index.flip(0), edge_weight, size, check_invariants=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch calls its CSR layout beta, once
        return adj_t.coalesce().to_sparse_csr()


def small_layer(sigma: float = 0.4, gamma: float = 0.2, rest: float | None = None) -> FusionGCNConv:
    conv = FusionGCNConv(2, 1, sigma, gamma, rest)
    with torch.no_grad():
        conv.lin.weight.copy_(torch.tensor([[1.0, 10.0]]))
    return conv


X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [5.0, 5.0]])
PEER = torch.tensor([[5.0, 0.0], [0.0, 5.0], [0.0, 0.0], [0.0, 0.0]])
H = torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])


def test_fusion_agrees_with_values_computed_by_hand_on_four_nodes() -> None:
    out = small_layer()(X, [PEER], H, EDGES, WEIGHTS)
    # Fused: .4x + .2peer + .4h = (1.4, .4), (0, 1.4), (.8, .4), (2, 2); times (1, 10): 5.4, 14,
    # 4.8, 22; node 1 gets (5.4 + 14) / 2, node 3 nothing.
    torch.testing.assert_close(out, torch.tensor([[5.4], [9.7], [4.8], [0.0]]))


def test_published_weights_need_not_sum_to_one() -> None:
    out = small_layer(0.5, 0.2, 0.5)(X, [PEER], H, EDGES, WEIGHTS)
    # Fused: (1.5, .5), (0, 1.5), (1, .5): times (1, 10): 6.5, 15, 6.
    torch.testing.assert_close(out, torch.tensor([[6.5], [10.75], [6.0], [0.0]]))


def test_several_peers_enter_by_their_mean() -> None:
    conv = small_layer()
    doubled = conv(X, [PEER, 3 * PEER], H, EDGES, WEIGHTS)
    torch.testing.assert_close(doubled, conv(X, [2 * PEER], H, EDGES, WEIGHTS))


def test_without_peers_their_weight_goes_to_the_autoencoder() -> None:
    out = small_layer()(X, [], H, EDGES, WEIGHTS)
    # Fused: .4x + .6h = (.4, .6), (0, .4), (.8, .6): times (1, 10): 6.4, 4, 6.8.
    torch.testing.assert_close(out, torch.tensor([[6.4], [5.2], [6.8], [0.0]]))


@pytest.mark.parametrize(("c_in", "c_out"), [(3, 8), (8, 3), (4, 4)])
def test_fusion_gcn_conv_reduces_to_gcn_conv(c_in: int, c_out: int) -> None:
    torch.manual_seed(0)
    edge_index, edge_weight = gcn_norm(torch.randint(20, (2, 60)), num_nodes=20)
    x, peer, h = torch.randn(3, 20, c_in)
    conv = FusionGCNConv(c_in, c_out, 1.0, 0.0, bias=True)
    plain = GCNConv(c_in, c_out, normalize=False)
    plain.load_state_dict(conv.state_dict())
    torch.testing.assert_close(
        conv(x, [peer], h, edge_index, edge_weight), plain(x, edge_index, edge_weight)
    )


@pytest.mark.parametrize(("c_in", "c_out"), [(3, 8), (8, 3)])
def test_every_form_of_graph_and_both_orders_give_the_same(c_in: int, c_out: int) -> None:
    torch.manual_seed(0)
    # Row-normalised, so that a transposed matrix would show.
    edge_index = torch.cat([torch.randint(20, (2, 60)), torch.arange(20).expand(2, 20)], 1)
    edge_index = coalesce(edge_index)
    edge_weight = 1 / torch.bincount(edge_index[1])[edge_index[1]]
    x, peer, h = torch.randn(3, 20, c_in)
    conv = FusionGCNConv(c_in, c_out)
    forms: list[tuple[Tensor | Propagation, Tensor | None]] = [
        (edge_index, edge_weight),
        (csr(edge_index, edge_weight, 20), None),
        (prepare_propagation(edge_index, edge_weight, 20), None),
    ]
    matrix = csr(edge_index, edge_weight, 20).to_dense()
    fused = 0.4 * x + 0.2 * peer + 0.4 * h
    expected = matrix @ fused @ conv.lin.weight.T
    (expected_grad,) = torch.autograd.grad(expected.square().sum(), conv.lin.weight)
    for graph, weight in forms:
        out = conv(x, [peer], h, graph, weight)
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
        (grad,) = torch.autograd.grad(out.square().sum(), conv.lin.weight)
        torch.testing.assert_close(grad, expected_grad, rtol=1e-5, atol=1e-4)


def test_renumbering_the_nodes_renumbers_the_output() -> None:
    torch.manual_seed(0)
    conv = FusionGCNConv(2, 5)
    order = torch.tensor([2, 0, 3, 1])  # new node i is old node order[i]
    new_number = order.argsort()
    out = conv(X, [PEER], H, EDGES, WEIGHTS)
    renumbered = conv(X[order], [PEER[order]], H[order], new_number[EDGES], WEIGHTS)
    torch.testing.assert_close(renumbered, out[order])


def test_a_graph_without_edges_gives_the_bias_alone() -> None:
    conv = FusionGCNConv(2, 5, bias=True)
    with torch.no_grad():
        conv.bias.fill_(3.0)
    empty = torch.empty(2, 0, dtype=torch.long)
    out = conv(X, [PEER], H, empty, torch.empty(0))
    assert torch.equal(out, torch.full((4, 5), 3.0))
    assert torch.equal(out, conv(X, [PEER], H, prepare_propagation(empty, torch.empty(0), 4)))


def test_states_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[N, 2\]"):
        small_layer()(X, [PEER[:, :1]], H, EDGES, WEIGHTS)


def test_importing_the_layer_loads_neither_vision_nor_clustering_libraries() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from iciclegcn.nn import FusionGCNConv\n"
        "print([m for m in ('torchvision', 'sklearn', 'faiss') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
