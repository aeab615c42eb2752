"""The fusion layer: values by hand, GCNConv as the case without fusion, and PyG's habits."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.nn import GCNConv
from torch_geometric.utils import coalesce, remove_self_loops

from iciclegcn.nn import FusionGCNConv
from iciclegcn.nn.propagate import Propagation, prepare_propagation

# Node 1 receives half of 0 and half of itself; 0 and 2 keep themselves; 3 is isolated.
EDGES = torch.tensor([[0, 1, 0, 2], [1, 1, 0, 2]])
WEIGHTS = torch.tensor([0.5, 0.5, 1.0, 1.0])
# PyG builds sparse matrices that torch has a word to say about, once a process.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
NO_EDGES = torch.empty(2, 0, dtype=torch.long)
X = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [5.0, 5.0]])
PEER = torch.tensor([[5.0, 0.0], [0.0, 5.0], [0.0, 0.0], [0.0, 0.0]])
H = torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]])


def csr(edge_index: Tensor, edge_weight: Tensor, num_nodes: int) -> Tensor:
    size = (num_nodes, num_nodes)
    adj_t = torch.sparse_coo_tensor(edge_index.flip(0), edge_weight, size, check_invariants=True)
    return adj_t.coalesce().to_sparse_csr()


def small_layer(
    sigma: float = 0.4, gamma: float = 0.2, rest: float | None = None, **options: Any
) -> FusionGCNConv:
    conv = FusionGCNConv(2, 1, sigma, gamma, rest, **{"normalize": False, **options})
    with torch.no_grad():
        conv.lin.weight.copy_(torch.tensor([[1.0, 10.0]]))
    return conv


def random_edges(num_nodes: int = 20) -> tuple[Tensor, Tensor]:
    """Directed, weighted, sorted by target, without self-loops and without duplicates."""
    generator = torch.Generator().manual_seed(1)
    edge_index = torch.randint(num_nodes, (2, 60), generator=generator)
    edge_index = coalesce(remove_self_loops(edge_index)[0], sort_by_row=False)
    return edge_index, torch.rand(edge_index.size(1), generator=generator) + 0.1


def test_fusion_agrees_with_values_computed_by_hand_on_four_nodes() -> None:
    out = small_layer()(X, EDGES, WEIGHTS, [PEER], H)
    # Fused: .4x + .2peer + .4h = (1.4, .4), (0, 1.4), (.8, .4), (2, 2); times (1, 10): 5.4, 14,
    # 4.8, 22; node 1 gets (5.4 + 14) / 2, node 3 nothing.
    torch.testing.assert_close(out, torch.tensor([[5.4], [9.7], [4.8], [0.0]]))


def test_published_weights_need_not_sum_to_one() -> None:
    out = small_layer(0.5, 0.2, 0.5)(X, EDGES, WEIGHTS, [PEER], H)
    # Fused: (1.5, .5), (0, 1.5), (1, .5): times (1, 10): 6.5, 15, 6.
    torch.testing.assert_close(out, torch.tensor([[6.5], [10.75], [6.0], [0.0]]))


@pytest.mark.parametrize(
    ("options", "weight", "expected"),
    [
        # Two nodes that hold 1 and 3, joined both ways. With self-loops both have degree 2.
        ({}, None, [2.0, 2.0]),
        # Self-loops of weight 2: degree 3, so 2/3 of itself and 1/3 of the other.
        ({"improved": True}, torch.ones(2), [5 / 3, 7 / 3]),
        ({"add_self_loops": False}, None, [3.0, 1.0]),
        # Degree 1 + 3: a quarter of itself, three quarters of the other.
        ({}, torch.tensor([3.0, 3.0]), [2.5, 1.5]),
        ({"normalize": False}, torch.tensor([3.0, 3.0]), [9.0, 3.0]),
        ({"normalize": False}, None, [3.0, 1.0]),
    ],
)
def test_normalisation_agrees_with_values_computed_by_hand(
    options: dict[str, bool], weight: Tensor | None, expected: list[float]
) -> None:
    conv = FusionGCNConv(1, 1, 0.5, 0.0, **options)
    with torch.no_grad():
        conv.lin.weight.fill_(1.0)
    x, h = torch.tensor([[2.0], [2.0]]), torch.tensor([[0.0], [4.0]])
    out = conv(x, torch.tensor([[0, 1], [1, 0]]), weight, h=h)
    torch.testing.assert_close(out[:, 0], torch.tensor(expected))


def test_several_peers_enter_by_their_mean_and_one_may_come_alone() -> None:
    conv = small_layer()
    doubled = conv(X, EDGES, WEIGHTS, [PEER, 3 * PEER], H)
    torch.testing.assert_close(doubled, conv(X, EDGES, WEIGHTS, [2 * PEER], H))
    assert torch.equal(doubled, conv(X, EDGES, WEIGHTS, (PEER, 3 * PEER), H))
    assert torch.equal(conv(X, EDGES, WEIGHTS, PEER, H), conv(X, EDGES, WEIGHTS, [PEER], H))


def test_without_peers_their_weight_goes_to_the_autoencoder() -> None:
    out = small_layer()(X, EDGES, WEIGHTS, h=H)
    # Fused: .4x + .6h = (.4, .6), (0, .4), (.8, .6): times (1, 10): 6.4, 4, 6.8.
    torch.testing.assert_close(out, torch.tensor([[6.4], [5.2], [6.8], [0.0]]))


def test_without_peers_and_autoencoder_their_weight_goes_to_the_stream() -> None:
    out = small_layer(0.7, 0.3)(X, EDGES, WEIGHTS)
    torch.testing.assert_close(out, torch.tensor([[1.0], [5.5], [2.0], [0.0]]))


def test_an_autoencoder_without_weight_may_be_missing() -> None:
    conv = small_layer(0.5, 0.2, 0.0)
    # Fused: .5x + .2peer = (1.5, 0), (0, 1.5), (1, 0).
    expected = torch.tensor([[1.5], [8.25], [1.0], [0.0]])
    torch.testing.assert_close(conv(X, EDGES, WEIGHTS, PEER), expected)
    assert torch.equal(conv(X, EDGES, WEIGHTS, PEER), conv(X, EDGES, WEIGHTS, PEER, H))


def test_states_without_weight_are_not_looked_into() -> None:
    lost = torch.full_like(X, torch.nan)
    out = small_layer(1.0, 0.0)(X, EDGES, WEIGHTS, [lost], lost)
    torch.testing.assert_close(out, torch.tensor([[1.0], [5.5], [2.0], [0.0]]))


@pytest.mark.parametrize(("c_in", "c_out"), [(3, 8), (8, 3), (4, 4)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalize": False},
        {"improved": True, "bias": False},
        {"add_self_loops": False},
        {"flow": "target_to_source"},
        {"aggr": "mean"},
        {"aggr": "max"},
    ],
)
def test_fusion_gcn_conv_reduces_to_gcn_conv(
    c_in: int, c_out: int, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    edge_index, edge_weight = random_edges()
    x = torch.randn(20, c_in)
    conv = FusionGCNConv(c_in, c_out, 1.0, 0.0, **options)
    plain = GCNConv(c_in, c_out, **options)
    plain.load_state_dict(conv.state_dict())
    for weight in (None, edge_weight):
        outs = [layer(x, edge_index, weight) for layer in (conv, plain)]
        torch.testing.assert_close(*outs)
        grads = [
            torch.autograd.grad(out.square().sum(), list(layer.parameters()))
            for out, layer in zip(outs, (conv, plain), strict=True)
        ]
        torch.testing.assert_close(*grads, rtol=1e-5, atol=1e-4)


def test_a_layer_without_fusion_draws_the_weights_of_gcn_conv() -> None:
    torch.manual_seed(3)
    conv = FusionGCNConv(5, 4, 1.0, 0.0)
    torch.manual_seed(3)
    torch.testing.assert_close(conv.state_dict(), GCNConv(5, 4).state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("c_in", "c_out"), [(3, 8), (8, 3)])
@pytest.mark.parametrize("normalize", [False, True])
def test_every_form_of_graph_and_both_orders_give_the_same(
    c_in: int, c_out: int, normalize: bool
) -> None:
    torch.manual_seed(0)
    edge_index, edge_weight = random_edges()
    x, peer, h = torch.randn(3, 20, c_in)
    conv = FusionGCNConv(c_in, c_out, normalize=normalize, bias=False)
    matrix = torch.zeros(20, 20).index_put((edge_index[1], edge_index[0]), edge_weight)
    if normalize:
        matrix = matrix + torch.eye(20)
        inverse_root = matrix.sum(1).rsqrt()
        matrix = inverse_root[:, None] * matrix * inverse_root
    targets, sources = matrix.nonzero().T
    forms: list[tuple[Tensor | Propagation, Tensor | None]] = [
        (edge_index, edge_weight),
        (EdgeIndex(edge_index, sparse_size=(20, 20), sort_order="col"), edge_weight),
        (csr(edge_index, edge_weight, 20), None),
        # Taken as it is, so normalised before.
        (prepare_propagation(torch.stack([sources, targets]), matrix[targets, sources], 20), None),
    ]
    expected = matrix @ (0.4 * x + 0.2 * peer + 0.4 * h) @ conv.lin.weight.T
    (expected_grad,) = torch.autograd.grad(expected.square().sum(), conv.lin.weight)
    for graph, weight in forms:
        out = conv(x, graph, weight, [peer], h)
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
        (grad,) = torch.autograd.grad(out.square().sum(), conv.lin.weight)
        torch.testing.assert_close(grad, expected_grad, rtol=1e-5, atol=1e-4)


def test_sparse_tensors_of_torch_sparse_are_graphs_too() -> None:
    torch_sparse = pytest.importorskip("torch_sparse")
    edge_index, edge_weight = random_edges()
    x, peer, h = torch.randn(3, 20, 3)
    conv = FusionGCNConv(3, 8, cached=True)
    adj = torch_sparse.SparseTensor.from_edge_index(edge_index, edge_weight, (20, 20))
    for _ in range(2):
        out = conv(x, adj.t(), peers=[peer], h=h)
        torch.testing.assert_close(out, conv(x, edge_index, edge_weight, [peer], h))


def test_the_narrower_side_is_propagated_unless_a_hook_watches_the_messages() -> None:
    assert FusionGCNConv(2, 5).aggregates_first
    assert not FusionGCNConv(5, 2).aggregates_first
    assert not FusionGCNConv(2, 5, aggr="max").aggregates_first
    conv, widths = FusionGCNConv(2, 5), []
    out = conv(X, EDGES, WEIGHTS, PEER, H)
    conv.register_message_forward_pre_hook(lambda _, given: widths.append(given[0]["x_j"].size(1)))
    torch.testing.assert_close(conv(X, EDGES, WEIGHTS, PEER, H), out)
    assert widths == [5]  # as of GCNConv


def test_a_cached_graph_is_normalised_once_and_kept_until_reset() -> None:
    edge_index, edge_weight = random_edges()
    x, peer, h = torch.randn(3, 20, 2)
    conv = FusionGCNConv(2, 5, cached=True)
    for graph, weight in ((edge_index, edge_weight), (csr(edge_index, edge_weight, 20), None)):
        conv.reset_parameters()
        out = conv(x, graph, weight, [peer], h)
        assert torch.equal(conv(x, NO_EDGES, None, [peer], h), out)
        conv.cached = False
        conv.reset_parameters()
        assert not torch.equal(conv(x, NO_EDGES, None, [peer], h), out)
        conv.cached = True


def test_reset_parameters_draws_new_weights_and_clears_the_bias() -> None:
    conv = FusionGCNConv(2, 5)
    before = conv.lin.weight.detach().clone()
    with torch.no_grad():
        conv.bias.fill_(3.0)
    conv.reset_parameters()
    assert not torch.equal(conv.lin.weight, before)
    assert torch.equal(conv.bias, torch.zeros(5))


def test_an_unknown_width_is_taken_from_the_first_state() -> None:
    lazy = FusionGCNConv(-1, 5)
    out = lazy(X, EDGES, WEIGHTS, PEER, H)
    known = FusionGCNConv(2, 5)
    known.load_state_dict(lazy.state_dict())
    torch.testing.assert_close(known(X, EDGES, WEIGHTS, PEER, H), out)
    assert lazy.aggregates_first


def test_renumbering_the_nodes_renumbers_the_output() -> None:
    torch.manual_seed(0)
    conv = FusionGCNConv(2, 5)
    order = torch.tensor([2, 0, 3, 1])  # new node i is old node order[i]
    new_number = order.argsort()
    out = conv(X, EDGES, WEIGHTS, [PEER], H)
    renumbered = conv(X[order], new_number[EDGES], WEIGHTS, [PEER[order]], H[order])
    torch.testing.assert_close(renumbered, out[order])


def test_a_batch_of_states_on_one_graph_is_each_of_them() -> None:
    conv = FusionGCNConv(2, 5)
    x, peer, h = torch.randn(3, 3, 4, 2)
    out = conv(x, EDGES, WEIGHTS, peer, h)
    for i in range(3):
        torch.testing.assert_close(out[i], conv(x[i], EDGES, WEIGHTS, peer[i], h[i]))


def test_sparse_features_give_what_dense_ones_give() -> None:
    conv = FusionGCNConv(2, 5, 1.0, 0.0)
    torch.testing.assert_close(conv(X.to_sparse(), EDGES), conv(X, EDGES))


def test_gradients_hold_in_double_precision() -> None:
    edge_index, edge_weight = random_edges(5)
    x, peer, h = torch.randn(3, 5, 2, dtype=torch.float64, requires_grad=True).unbind()
    weight = edge_weight.double().requires_grad_()
    for c_out in (1, 3):
        conv = FusionGCNConv(2, c_out).double()
        assert conv(x, edge_index, weight, peer, h).dtype is torch.float64
        assert torch.autograd.gradcheck(
            lambda x, p, h, w, conv=conv: conv(x, edge_index, w, p, h), (x, peer, h, weight)
        )


@pytest.mark.parametrize("c_out", [2, 8])
def test_dtypes_mix_alike_for_edges_and_matrices(c_out: int) -> None:
    edge_index, edge_weight = random_edges()
    x, peer, h = torch.randn(3, 20, 4)
    conv = FusionGCNConv(4, c_out)
    exact = conv(x, edge_index, edge_weight, peer, h)
    forms = [(edge_index, edge_weight), (csr(edge_index, edge_weight, 20), None)]
    for graph, weight in forms:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = conv(x, graph, weight, peer, h)
        torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.05)
        wide = conv.double()(x.double(), graph, weight, peer.double(), h.double())
        assert wide.dtype is torch.float64
        torch.testing.assert_close(wide.float(), exact, rtol=1e-4, atol=1e-5)
        conv.float()


@pytest.mark.parametrize("c_out", [1, 5])
def test_a_graph_without_edges_gives_the_bias_alone(c_out: int) -> None:
    conv = FusionGCNConv(2, c_out, normalize=False)
    with torch.no_grad():
        conv.bias.fill_(3.0)
    prepared = prepare_propagation(NO_EDGES, torch.empty(0), 4)
    for graph in (NO_EDGES, csr(NO_EDGES, torch.empty(0), 4), prepared):
        assert torch.equal(conv(X, graph, None, [PEER], H), torch.full((4, c_out), 3.0))


def test_isolated_nodes_keep_their_fused_state_when_normalised() -> None:
    out = small_layer(normalize=True)(X, NO_EDGES, None, [PEER], H)
    torch.testing.assert_close(out, torch.tensor([[5.4], [14.0], [4.8], [22.0]]))


@pytest.mark.parametrize("normalize", [False, True])
def test_a_graph_without_nodes_is_a_graph(normalize: bool) -> None:
    conv, none = FusionGCNConv(2, 5, normalize=normalize), torch.empty(0, 2)
    prepared = prepare_propagation(NO_EDGES, torch.empty(0), 0)
    for graph in (NO_EDGES, prepared):
        assert conv(none, graph, None, [none], none).shape == (0, 5)


@pytest.mark.parametrize("form", ["edges", "EdgeIndex"])
def test_compiled_whole_it_gives_the_same(form: str) -> None:
    edge_index, edge_weight = random_edges()
    graph = EdgeIndex(edge_index, sparse_size=(20, 20)) if form == "EdgeIndex" else edge_index
    x, peer, h = torch.randn(3, 20, 3)
    conv = FusionGCNConv(3, 8)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    out, expected = (layer(x, graph, edge_weight, [peer], h) for layer in (compiled, conv))
    torch.testing.assert_close(out, expected)
    (grad,) = torch.autograd.grad(out.square().sum(), conv.lin.weight)
    (expected_grad,) = torch.autograd.grad(expected.square().sum(), conv.lin.weight)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-5, atol=1e-4)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_only_a_layer_without_fusion_becomes_torchscript() -> None:
    conv = FusionGCNConv(2, 5, 1.0, 0.0)
    scripted: Any = torch.jit.script(conv)
    torch.testing.assert_close(scripted(X, EDGES, WEIGHTS), conv(X, EDGES, WEIGHTS))
    with pytest.raises(NotImplementedError, match=r"torch\.compile"):
        torch.jit.script(FusionGCNConv(2, 5))


def test_repr_names_widths_and_weights() -> None:
    expected = "FusionGCNConv(16, 32, sigma=0.5, gamma=0.25, autoencoder_weight=0.25)"
    assert str(FusionGCNConv(16, 32, 0.5, 0.25)) == expected


def test_states_of_different_shapes_are_refused() -> None:
    for peers, h in (([PEER[:, :1]], H), ([PEER], H[:3])):
        with pytest.raises(ValueError, match=r"\[N, 2\]"):
            small_layer()(X, EDGES, WEIGHTS, peers, h)
    with pytest.raises(ValueError, match=r"\[N, 3\]"):
        FusionGCNConv(3, 2)(X, EDGES, WEIGHTS, [PEER], H)
    with pytest.raises(ValueError, match="bipartite"):
        small_layer()((X, X), EDGES)


def test_a_missing_autoencoder_state_that_has_a_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'h' has the weight 0\.4 .*sigma \+ gamma = 1"):
        small_layer()(X, EDGES, WEIGHTS, [PEER])


def test_self_loops_without_normalisation_are_refused() -> None:
    with pytest.raises(ValueError, match="self-loops"):
        FusionGCNConv(2, 5, normalize=False, add_self_loops=True)


def test_importing_the_layer_and_the_network_loads_torch_and_pyg_only() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import torch_geometric.nn\n"
        "before = set(sys.modules)\n"
        "from iciclegcn.nn import FusionGCN, FusionGCNConv\n"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(loaded - sys.stdlib_module_names))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['iciclegcn']"
