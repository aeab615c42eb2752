"""New nodes layer by layer, against the network over the whole graph with their rows appended."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.nn.attached_nodes import (
    AttachedRows,
    assign_attached,
    attached_rows,
    propagated_states,
)
from iciclegcn.nn.mgcn import MGCNAssignments
from iciclegcn.nn.propagate import Propagation, prepare_propagation

N, M, D, K = 40, 6, 9, 4
NARROWING, WIDENING, ALIKE = (12, 10, 8), (6, 14, 20), (9, 9, 9)


def features(count: int, seed: int) -> Tensor:
    return torch.randn(count, D, generator=torch.Generator().manual_seed(seed))


def network(hidden: tuple[int, ...], num_streams: int = 2, *, shared: bool = False) -> MGCN:
    torch.manual_seed(1)
    return MGCN(AutoEncoder(D, hidden, K), num_streams, shared_weights=shared).eval()


def random_matrix(rows: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(rows, columns, generator=generator)
    return matrix * (torch.rand(rows, columns, generator=generator) < 0.2)


def prepared(matrix: Tensor) -> Propagation:
    target, source = matrix.nonzero().T
    return prepare_propagation(torch.stack([source, target]), matrix[target, source], len(matrix))


class Scale:
    """One graph: N old nodes among themselves, and M new ones that hear them and themselves."""

    def __init__(self, seed: int) -> None:
        self.old = random_matrix(N, N, seed)
        self.new = random_matrix(M, N, seed + 100)
        self.new[2] = 0  # hears nobody but itself
        self.loops = torch.rand(M, generator=torch.Generator().manual_seed(seed))

    def whole(self) -> Propagation:
        top = torch.cat([self.old, torch.zeros(N, M)], dim=1)
        return prepared(torch.cat([top, torch.cat([self.new, torch.diag(self.loops)], dim=1)]))

    def attached(self) -> AttachedRows:
        edges = self.new.nonzero().T.flip(1)  # in any order
        return attached_rows(edges, self.new[edges[0], edges[1]], self.loops)


def found(model: MGCN, scales: list[Scale], **options: object) -> MGCNAssignments:
    old_x = features(N, 5)
    graphs = [prepared(scale.old) for scale in scales]
    states = propagated_states(model, old_x, graphs, **options)  # type: ignore[arg-type]
    return assign_attached(
        model, features(M, 6), [scale.attached() for scale in scales], old_x, states
    )


def expected(model: MGCN, scales: list[Scale]) -> MGCNAssignments:
    x = torch.cat([features(N, 5), features(M, 6)])
    with torch.no_grad():
        code, q, streams = model.assign(x, [scale.whole() for scale in scales])
    return MGCNAssignments(code[N:], q[N:], [stream[N:] for stream in streams])


def assert_same(a: MGCNAssignments, b: MGCNAssignments, tolerance: float) -> None:
    pairs = zip((a.code, a.q, *a.streams), (b.code, b.q, *b.streams), strict=True)
    for value, other in pairs:
        assert value.dtype is torch.float32
        torch.testing.assert_close(value, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("hidden", [NARROWING, WIDENING, ALIKE, (7,)])
@pytest.mark.parametrize(("num_streams", "shared"), [(1, False), (2, False), (3, True)])
def test_new_nodes_get_what_the_whole_graph_gives_them(
    hidden: tuple[int, ...], num_streams: int, shared: bool
) -> None:
    model = network(hidden, num_streams, shared=shared)
    scales = [Scale(seed) for seed in range(num_streams)]
    assert_same(found(model, scales), expected(model, scales), 1e-5)
    assert_same(found(model, scales, block_rows=7), expected(model, scales), 1e-5)


def test_old_nodes_keep_their_assignments_in_the_whole_graph() -> None:
    model, scales, x = network(ALIKE), [Scale(0), Scale(1)], features(N, 5)
    both = torch.cat([x, features(M, 6)])
    with torch.no_grad():
        alone = model.assign(x, [prepared(scale.old) for scale in scales]).streams
        together = model.assign(both, [scale.whole() for scale in scales]).streams
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other[:N])


def test_states_may_lie_in_files_that_vanish(tmp_path: Path) -> None:
    model, scales = network(WIDENING), [Scale(0), Scale(1)]
    assert_same(found(model, scales, folder=tmp_path), found(model, scales), 0)
    assert list(tmp_path.iterdir()) == []


def test_one_state_a_layer_and_stream_is_kept_at_the_width_that_propagates() -> None:
    model, graphs = network(WIDENING), [prepared(Scale(seed).old) for seed in (0, 1)]
    states = propagated_states(model, features(N, 5), graphs)
    assert [[state.shape for state in layer] for layer in states] == [
        [(N, width)] * 2 for width in (6, 14, K, K)
    ]


def test_autocast_rounds_as_it_does_for_the_whole_graph() -> None:
    model, scales = network(ALIKE), [Scale(0), Scale(1)]
    with torch.autocast("cpu", torch.bfloat16):
        rounded, whole = found(model, scales), expected(network(ALIKE), scales)
    assert_same(rounded, whole, 0.01)
    assert not torch.equal(rounded.streams[0], found(network(ALIKE), scales).streams[0])


def test_products_are_prepared_from_edges_in_any_order() -> None:
    edges = torch.tensor([[1, 0, 1], [7, 7, 3]])
    sources, rows = attached_rows(edges, torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5]))
    assert sources.tolist() == [3, 7]
    assert rows.rowptr.tolist() == [0, 2, 5]
    assert rows.col.tolist() == [1, 2, 0, 1, 3]
    assert rows.weight.tolist() == pytest.approx([0.2, 0.4, 0.3, 0.1, 0.5])


def test_a_graph_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match=r"each of 2 streams \(got 1\)"):
        propagated_states(network(ALIKE), features(N, 5), [prepared(Scale(0).old)])
