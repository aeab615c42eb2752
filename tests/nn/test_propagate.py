import pytest
import torch
from torch import Tensor

from iciclegcn.nn.propagate import Propagation, prepare_propagation, propagate


def random_graph(num_nodes: int = 9, num_edges: int = 30, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator)
    return edge_index, torch.rand(num_edges, generator=generator)


def dense(edge_index: Tensor, edge_weight: Tensor, num_nodes: int) -> Tensor:
    matrix = torch.zeros(num_nodes, num_nodes, dtype=edge_weight.dtype)
    return matrix.index_put((edge_index[1], edge_index[0]), edge_weight, accumulate=True)


def test_targets_receive_from_sources() -> None:
    graph = prepare_propagation(torch.tensor([[0, 2], [1, 1]]), torch.tensor([2.0, 3.0]), 3)
    x = torch.tensor([[1.0], [10.0], [100.0]])
    assert propagate(graph, x).tolist() == [[0.0], [302.0], [0.0]]


def test_repeated_edges_add_up() -> None:
    graph = prepare_propagation(torch.tensor([[0, 0], [1, 1]]), torch.tensor([2.0, 3.0]), 2)
    assert propagate(graph, torch.ones(2, 1)).tolist() == [[0.0], [5.0]]


@pytest.mark.parametrize("channels", [1, 7, 64])
def test_product_and_gradient_agree_with_a_dense_matrix(channels: int) -> None:
    edge_index, edge_weight = random_graph()
    x = torch.randn(9, channels, requires_grad=True)
    out = propagate(prepare_propagation(edge_index, edge_weight, 9), x)
    matrix = dense(edge_index, edge_weight, 9)
    torch.testing.assert_close(out, matrix @ x)
    seed = torch.randn(9, channels)
    (grad,) = torch.autograd.grad(out, x, seed)
    torch.testing.assert_close(grad, matrix.T @ seed)


def test_gradients_of_first_and_second_order_hold_in_double_precision() -> None:
    edge_index, edge_weight = random_graph()
    graph = prepare_propagation(edge_index, edge_weight.double(), 9)
    x = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: propagate(graph, v), x)
    assert torch.autograd.gradgradcheck(lambda v: propagate(graph, v), x)


def test_symmetric_graphs_keep_one_copy_and_others_a_transpose() -> None:
    edge_index, edge_weight = torch.tensor([[0, 1, 1], [1, 0, 2]]), torch.tensor([0.5, 0.5, 0.25])
    one_way = prepare_propagation(edge_index, edge_weight, 3)
    assert one_way.transposed is not one_way.rows
    both_ways = prepare_propagation(edge_index[:, :2], edge_weight[:2], 3)
    assert both_ways.transposed is both_ways.rows
    moved = both_ways.to(torch.device("cpu"))
    assert moved.transposed is moved.rows


def test_bf16_is_propagated_in_bf16_and_close() -> None:
    edge_index, edge_weight = random_graph(200, 2000)
    graph = prepare_propagation(edge_index, edge_weight, 200)
    x = torch.randn(200, 33)
    out = propagate(graph, x.bfloat16())
    assert out.dtype is torch.bfloat16
    torch.testing.assert_close(out.float(), propagate(graph, x), rtol=0.02, atol=0.05)


def test_an_empty_graph_gives_zeros() -> None:
    graph = prepare_propagation(torch.empty(2, 0, dtype=torch.long), torch.empty(0), 4)
    x = torch.ones(4, 3, requires_grad=True)
    out = propagate(graph, x)
    assert torch.equal(out, torch.zeros(4, 3))
    out.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert not x.grad.any()


@pytest.mark.parametrize(
    ("edge_index", "edge_weight", "text"),
    [
        (torch.zeros(3, 2, dtype=torch.long), torch.ones(2), "'edge_index' must be"),
        (torch.zeros(2, 2, dtype=torch.long), torch.ones(3), "'edge_weight' must be"),
        (torch.tensor([[0], [4]]), torch.ones(1), r"\[0, 4\)"),
        (torch.tensor([[-1], [0]]), torch.ones(1), r"\[0, 4\)"),
    ],
)
def test_graphs_that_do_not_fit_are_refused(
    edge_index: Tensor, edge_weight: Tensor, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        prepare_propagation(edge_index, edge_weight, 4)


def test_states_that_do_not_fit_are_refused() -> None:
    graph: Propagation = prepare_propagation(*random_graph(), 9)
    with pytest.raises(ValueError, match=r"'x' must be \[9, F\]"):
        propagate(graph, torch.ones(8, 3))
