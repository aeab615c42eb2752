"""Steps of cells against the whole graph."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from graphs import ScaleGraph, knn, scale_graphs
from iciclegcn.config import MGCNConfig
from iciclegcn.methods.cell_batches import CellBatches
from iciclegcn.methods.whole_graph import WholeGraph
from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.nn.propagate import propagate
from iciclegcn.runtime import Runtime

N, D, K = 70, 6, 3
OPTIONS = MGCNConfig(cells_per_step=2)
CELLS = np.arange(N) * 7 % N // 14  # 5 cells of 14 nodes, scattered over the rows


def features() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


def graphs() -> list[ScaleGraph]:
    return scale_graphs(knn(features(), 5), (1, 5), normalization="row")


def batches(cells: NDArray[np.integer] = CELLS, **changes: object) -> CellBatches:
    options = dataclasses.replace(OPTIONS, **changes)  # type: ignore[arg-type]
    return CellBatches(
        features(), graphs(), cells, options, Runtime.create(device="cpu", precision="fp32")
    )


def network() -> MGCN:
    torch.manual_seed(0)
    return MGCN(AutoEncoder(D, (8, 12), K), 2).eval()


def dense(graph: ScaleGraph) -> Tensor:
    matrix = torch.zeros(N, N)
    matrix[graph.edge_index[0], graph.edge_index[1]] = graph.edge_weight
    return matrix


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 99))
def test_an_epoch_sees_every_node_once(num_cells: int, per_step: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, num_cells, N)
    cells = np.unique(drawn, return_inverse=True)[1]
    nodes = batches(cells, cells_per_step=per_step)
    x = torch.from_numpy(features())
    for epoch in range(2):
        steps = range(epoch * nodes.steps_per_epoch, (epoch + 1) * nodes.steps_per_epoch)
        seen = torch.cat([nodes.batch(step).x for step in steps])
        assert torch.equal(seen.sort(dim=0).values, x.sort(dim=0).values)
        assert len(seen) == N


def test_a_step_keeps_the_edges_inside_it_with_their_weights() -> None:
    nodes, x = batches(), torch.from_numpy(features())
    batch = nodes.batch(1)
    rows = [int((x == row).all(1).nonzero()) for row in batch.x]
    assert len({int(CELLS[row]) for row in rows}) == 2
    for part, graph in zip(batch.graphs, graphs(), strict=True):
        inside = dense(graph)[rows][:, rows]
        state = torch.randn(len(rows), 4)
        torch.testing.assert_close(propagate(part, state), inside @ state)
    for received, graph in zip(batch.propagated, graphs(), strict=True):
        torch.testing.assert_close(received, (dense(graph) @ x)[rows])  # over all edges
    partner = batch.draw(torch.Generator().manual_seed(0))
    largest = dense(graphs()[1])[rows][:, rows]
    alone = largest.fill_diagonal_(0).sum(1) == 0
    assert all(largest[i, j] > 0 or alone[i] for i, j in enumerate(partner))


def test_epochs_are_shuffled_differently_and_reproducibly() -> None:
    first, second = batches(), batches()
    per_epoch = first.steps_per_epoch
    assert per_epoch == 3
    assert torch.equal(first.batch(4).x, second.batch(4).x)
    assert not torch.equal(
        torch.cat([first.batch(step).x for step in range(per_epoch)]),
        torch.cat([first.batch(step).x for step in range(per_epoch, 2 * per_epoch)]),
    )


def test_all_nodes_pass_as_they_do_all_at_once() -> None:
    nodes, model, runtime = batches(), network(), Runtime.create(device="cpu", precision="fp32")
    whole = WholeGraph(torch.from_numpy(features()), graphs(), OPTIONS, runtime)
    found, expected = nodes.assign(model), whole.assign(model)
    pairs = zip((*found.streams, found.q), (*expected.streams, expected.q), strict=True)
    for value, other in pairs:
        torch.testing.assert_close(nodes.original(value), other)
    torch.testing.assert_close(nodes.original(nodes.q(model)), expected.q)
    torch.testing.assert_close(nodes.original(nodes.code(model.autoencoder)), expected.code)


def test_what_does_not_fit_the_budget_goes_through_files(tmp_path: Path) -> None:
    model, small = network(), dataclasses.replace(OPTIONS, memory_gib=1e-6)
    runtime = Runtime.create(device="cpu", precision="fp32")
    files = CellBatches(features(), graphs(), CELLS, small, runtime, tmp_path)
    assert torch.equal(files.assign(model).q, batches().assign(model).q)
    assert torch.equal(files.assign(model).streams[1], batches().assign(model).streams[1])
    assert list(tmp_path.iterdir()) == []


def test_the_graph_that_judges_is_the_largest_one_in_the_order_of_the_rows() -> None:
    nodes = batches()
    place = torch.from_numpy(np.argsort(np.argsort(CELLS, kind="stable")))
    edges = place[graphs()[1].edge_index]
    key, found = edges[0] * N + edges[1], nodes.edge_index[0] * N + nodes.edge_index[1]
    assert torch.equal(key.sort().values, found.sort().values)


def test_the_cells_are_what_a_resumed_run_needs() -> None:
    saved = batches().state_dict()["cells"]
    assert saved.dtype is torch.int32
    assert saved.tolist() == CELLS.tolist()
