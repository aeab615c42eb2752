"""The network of streams: values by hand, the layers one by one, and both of its paths."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric import EdgeIndex
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import coalesce, remove_self_loops

from iciclegcn.nn import FusionGCN
from iciclegcn.nn.fusion_gcn import Graph
from iciclegcn.nn.propagate import Propagation, prepare_propagation, propagate

NODES = 11


def random_graphs(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    graphs = []
    for _ in range(count):
        edge_index = torch.randint(NODES, (2, 30), generator=generator)
        edge_index = coalesce(remove_self_loops(edge_index)[0])
        graphs.append((edge_index, torch.rand(edge_index.size(1), generator=generator)))
    return graphs


def prepare(edge_index: Tensor, edge_weight: Tensor | None = None) -> Propagation:
    edge_index, edge_weight = gcn_norm(edge_index, edge_weight, num_nodes=NODES)
    assert edge_weight is not None
    return prepare_propagation(edge_index, edge_weight, NODES)


def prepared(graphs: list[tuple[Tensor, Tensor]]) -> list[Propagation]:
    return [prepare(*graph) for graph in graphs]


def random_states(*widths: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(NODES, width, generator=generator, dtype=dtype) for width in widths]


def network(widths: tuple[int, ...], num_streams: int = 2, **options: Any) -> FusionGCN:
    torch.manual_seed(0)
    return FusionGCN(widths, num_streams, **options)


def gradients(outputs: list[Tensor], model: nn.Module) -> tuple[Tensor, ...]:
    total = torch.stack([out.square().sum() for out in outputs]).sum()
    return torch.autograd.grad(total, list(model.parameters()))


def test_two_streams_agree_with_values_computed_by_hand() -> None:
    # Two nodes. The first graph averages them, the second has no edges but the self-loops.
    graphs: list[Graph] = [torch.tensor([[0, 1], [1, 0]]), torch.empty(2, 0, dtype=torch.long)]
    model = FusionGCN([1, 1, 1], 2, 0.5, 0.25)
    with torch.no_grad():
        for u, weights in enumerate([(1.0, 10.0), (-1.0, 100.0)]):
            for conv, weight in zip(model.stream_layers(u), weights, strict=True):
                conv.lin.weight.fill_(weight)
    x, h = torch.tensor([[2.0], [-6.0]]), torch.tensor([[4.0], [8.0]])
    a, b = model(x, graphs, [h])
    # First layer, after the ReLU: (-2, -2) -> (0, 0); (-2, 6) -> (0, 6).
    # Fused: a = .25b + .25h = (1, 3.5); b = .5b + .25h = (1, 5).
    torch.testing.assert_close(a, torch.tensor([[22.5], [22.5]]))
    torch.testing.assert_close(b, torch.tensor([[100.0], [500.0]]))


# Narrowing, widening and mixed, so that each layer maps first or last.
@pytest.mark.parametrize("widths", [(9, 6, 3), (3, 6, 9), (5, 6, 12, 3, 3), (5, 4, 8), (5, 3)])
@pytest.mark.parametrize("num_streams", [1, 2, 3])
def test_prepared_graphs_give_what_edges_give(widths: tuple[int, ...], num_streams: int) -> None:
    graphs = random_graphs(num_streams)
    x, *hidden = random_states(*widths[:-1])
    model = network(widths, num_streams)
    fast, plain = model(x, prepared(graphs), hidden), model(x, graphs, hidden)
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        gradients(fast, model), gradients(plain, model), rtol=1e-4, atol=1e-4
    )


def test_streams_are_the_layers_applied_one_by_one() -> None:
    graphs = prepared(random_graphs(3))
    x, h = random_states(4, 6)
    model = network((4, 6, 2), 3, bias=True)
    first, second = zip(*map(model.stream_layers, range(3)), strict=True)
    states = [
        (conv.lin(propagate(graphs[u], x)) + conv.bias).relu() for u, conv in enumerate(first)
    ]
    expected = [
        conv(states[u], graphs[u], peers=[*states[:u], *states[u + 1 :]], h=h)
        for u, conv in enumerate(second)
    ]
    torch.testing.assert_close(model(x, graphs, [h]), expected)


def test_one_stream_without_autoencoder_is_a_stack_of_gcn_convs() -> None:
    [(edge_index, edge_weight)] = random_graphs(1)
    [x] = random_states(5)
    model = network((5, 8, 3), 1, sigma=0.8, gamma=0.2, bias=True)
    stack = [GCNConv(5, 8), GCNConv(8, 3)]
    for plain, conv in zip(stack, model.stream_layers(0), strict=True):
        plain.load_state_dict(conv.state_dict())
    expected = stack[1](stack[0](x, edge_index, edge_weight).relu(), edge_index, edge_weight)
    for graph in (edge_index, edge_weight), prepared([(edge_index, edge_weight)])[0]:
        torch.testing.assert_close(model(x, [graph]), [expected])


def test_every_stream_may_have_features_of_its_own() -> None:
    graphs = prepared(random_graphs(2))
    a, b, h = random_states(9, 9, 4)
    model = network((9, 4, 3))
    mixed = model([a, b], graphs, [h])
    plain = model([a, b], random_graphs(2), [h])
    torch.testing.assert_close(mixed, plain, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(mixed[1], model(a, graphs, [h])[1])


def test_graphs_take_every_form_and_are_normalised_once_unless_told_not_to() -> None:
    (edge_index, edge_weight), *_ = random_graphs(1)
    x, h = random_states(5, 4)
    ready = gcn_norm(edge_index, edge_weight, num_nodes=NODES)
    model, raw = network((5, 4, 3), 3), network((5, 4, 3), 3, normalize=False)
    expected = model(x, [(edge_index, edge_weight)] * 3, [h])
    torch.testing.assert_close(raw(x, [ready] * 3, [h]), expected)
    torch.testing.assert_close(
        raw(x, [ready, prepare(edge_index, edge_weight), ready], [h]), expected
    )
    unweighted: list[Graph] = [edge_index, EdgeIndex(edge_index), (edge_index, None)]
    one, other, third = model(x, unweighted, [h])
    ones = [(edge_index, torch.ones_like(edge_weight))] * 3
    torch.testing.assert_close([one, other, third], model(x, ones, [h]))


def test_known_first_products_need_no_second_propagation() -> None:
    graphs = prepared(random_graphs(2))
    x, h = random_states(9, 4)
    model = network((9, 4, 3))
    known = [propagate(graph, x) for graph in graphs]
    torch.testing.assert_close(
        model.run_propagated(known, graphs, [h]), model(x, graphs, [h]), rtol=1e-5, atol=1e-5
    )
    with pytest.raises(ValueError, match="without biases"):
        network((9, 4, 3), bias=True).run_propagated(known, graphs, [h])


def test_shared_weights_hold_one_set_of_layers_for_all_streams() -> None:
    shared, separate = (network((5, 4, 3), 3, shared_weights=share) for share in (True, False))
    assert shared.stream_layers(0)[0] is shared.stream_layers(2)[0]
    assert separate.stream_layers(0)[0] is not separate.stream_layers(2)[0]
    [graph] = prepared(random_graphs(1))
    x, h = random_states(5, 4)
    one, other, third = shared(x, [graph] * 3, [h])
    # Not to the bit: where few columns come out, their place in a product decides the rounding.
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one, third)


def test_reset_parameters_draws_every_weight_anew() -> None:
    model = network((5, 4, 3))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model.reset_parameters()
    assert len(before) == 4
    assert not any(map(torch.equal, before, model.parameters()))


def test_streams_start_from_linear_layers() -> None:
    model, linears = network((5, 4, 3)), [nn.Linear(5, 4)]
    model.init_from_linear(linears, last_scale=2.0)
    for u in range(2):
        first, last = model.stream_layers(u)
        assert torch.equal(first.lin.weight, linears[0].weight)
        assert torch.equal(last.lin.weight, 2 * torch.eye(3, 4))
    with pytest.raises(ValueError, match="shorter"):
        model.init_from_linear([])


def test_gradients_hold_in_double_precision() -> None:
    graphs, model = random_graphs(2), network((3, 2, 4)).double()
    doubled: list[Graph] = [(edge_index, weight.double()) for edge_index, weight in graphs]
    x, h = (state.requires_grad_() for state in random_states(3, 2, dtype=torch.float64))
    for given in (doubled, prepared(graphs)):
        assert torch.autograd.gradcheck(
            lambda x, h, given=given: tuple(model(x, given, [h])), (x, h)
        )


def test_bf16_is_close() -> None:
    graphs = random_graphs(2)
    x, h = random_states(5, 4)
    model = network((5, 4, 3))
    exact = model(x, graphs, [h])
    for given in (graphs, prepared(graphs)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model(x, given, [h])
        for out, expected in zip(rough, exact, strict=True):
            torch.testing.assert_close(out.float(), expected, rtol=0.05, atol=0.05)


def test_graphs_without_edges_or_nodes_are_graphs() -> None:
    no_edges, none = torch.empty(2, 0, dtype=torch.long), torch.empty(0, 5)
    x, h = random_states(5, 4)
    model = network((5, 4, 3))
    empty: list[list[Graph]] = [
        [no_edges, no_edges],
        [prepare(no_edges)] * 2,
    ]
    torch.testing.assert_close(*(model(x, graphs, [h]) for graphs in empty))
    for graphs in ([no_edges] * 2, [prepare_propagation(no_edges, torch.empty(0), 0)] * 2):
        assert [out.shape for out in model(none, graphs, [torch.empty(0, 4)])] == [(0, 3)] * 2


def test_compiled_whole_it_gives_the_same() -> None:
    graphs = random_graphs(2)
    x, h = random_states(5, 4)
    model = network((5, 4, 8))
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, graphs, [h]), model(x, graphs, [h]))


def test_what_does_not_fit_is_refused() -> None:
    graphs = random_graphs(2)
    x, h = random_states(5, 4)
    model = network((5, 4, 3))
    with pytest.raises(ValueError, match=r"'graphs' must hold one for each of 2 streams \(got 1"):
        model(x, graphs[:1], [h])
    with pytest.raises(ValueError, match=r"'x' must hold one for each of 2 streams \(got 3"):
        model([x, x, x], graphs, [h])
    for given in (graphs, prepared(graphs)):
        with pytest.raises(ValueError, match=r"widths \[4\] \(got \[4, 4\]"):
            model(x, given, [h, h])
        with pytest.raises(ValueError, match="'h' has the weight"):
            model(x, given)
    with pytest.raises(ValueError, match="two widths"):
        FusionGCN([5])
    with pytest.raises(ValueError, match="num_streams"):
        FusionGCN([5, 4], 0)


def test_the_code_of_the_docs_page_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "fusion_layer.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert names["graph"].num_nodes == 3
    assert names["near_out"].shape == names["wide_out"].shape == (3, 4)
