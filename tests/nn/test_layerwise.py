"""Block by block against all at once."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.nn.disk_space import NoRoomError
from iciclegcn.nn.layerwise import assign_by_layers, empty_rows, multiply_in_blocks, row_blocks
from iciclegcn.nn.mgcn import MGCNAssignments, propagate_features
from iciclegcn.nn.propagate import Propagation, prepare_propagation, propagate

N, K = 50, 4
NARROWING, WIDENING, ALIKE = (12, 10, 8), (6, 14, 20), (9, 9, 9)


def random_graph(seed: int, *, symmetric: bool = True) -> Propagation:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(N, N, generator=generator)
    matrix *= torch.rand(N, N, generator=generator) < 0.15
    matrix = matrix + matrix.T if symmetric else matrix
    target, source = matrix.nonzero().T
    return prepare_propagation(torch.stack([source, target]), matrix[target, source], N)


def features() -> Tensor:
    return torch.randn(N, 9, generator=torch.Generator().manual_seed(5))


def network(hidden: tuple[int, ...], num_streams: int, *, shared: bool = False) -> MGCN:
    torch.manual_seed(1)
    return MGCN(AutoEncoder(9, hidden, K), num_streams, shared_weights=shared).eval()


def assert_same(found: MGCNAssignments, expected: MGCNAssignments, tolerance: float) -> None:
    assert len(found.streams) == len(expected.streams)
    pairs = zip(
        (found.code, found.q, *found.streams), (expected[0], expected[1], *expected[2]), strict=True
    )
    for value, other in pairs:
        assert value.dtype is torch.float32
        torch.testing.assert_close(value, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("hidden", [NARROWING, WIDENING, ALIKE, (7,)])
@pytest.mark.parametrize(("num_streams", "shared"), [(1, False), (2, False), (3, True)])
@pytest.mark.parametrize("block_rows", [7, N, 1000])
def test_blocks_give_what_all_rows_at_once_give(
    hidden: tuple[int, ...], num_streams: int, shared: bool, block_rows: int
) -> None:
    model, x = network(hidden, num_streams, shared=shared), features()
    graphs = [random_graph(u, symmetric=u != 1) for u in range(num_streams)]
    propagated = propagate_features(x, graphs)
    kept = [state.clone() for state in propagated]
    found = assign_by_layers(model, x, graphs, propagated, block_rows=block_rows)
    with torch.no_grad():
        assert_same(found, model.assign(x, graphs), 1e-5)
    assert all(torch.equal(*pair) for pair in zip(propagated, kept, strict=True))
    assert not found.q.requires_grad


def test_states_may_lie_in_files_that_vanish(tmp_path: Path) -> None:
    model, x, graphs = network(WIDENING, 2), features(), [random_graph(0), random_graph(1)]
    propagated = propagate_features(x, graphs)
    inside = assign_by_layers(model, x, graphs, propagated, block_rows=16)
    outside = assign_by_layers(model, x, graphs, propagated, folder=tmp_path, block_rows=16)
    assert_same(outside, inside, 0)
    assert list(tmp_path.iterdir()) == []


def test_autocast_rounds_as_it_does_all_at_once() -> None:
    model, x, graphs = network(ALIKE, 2), features(), [random_graph(0), random_graph(1)]
    propagated = propagate_features(x, graphs)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        found = assign_by_layers(model, x, graphs, propagated, block_rows=16)
        expected = model.assign(x, graphs)
        exact = network(ALIKE, 2)
    assert_same(found, expected, 0.01)
    with torch.no_grad():
        assert not torch.equal(found.streams[0], exact.assign(x, graphs).streams[0])


def test_a_graph_too_few_is_refused() -> None:
    graph = random_graph(0)
    with pytest.raises(ValueError, match=r"each of 2 streams \(got 1\)"):
        assign_by_layers(network(ALIKE, 2), features(), [graph], [features()])


def test_the_sparse_product_does_not_depend_on_the_blocks() -> None:
    graph, x = random_graph(1, symmetric=False), features()
    for block_rows in (1, 7, N):
        assert torch.equal(
            multiply_in_blocks(graph.rows, x, block_rows=block_rows), propagate(graph, x)
        )


def test_rows_in_a_file_keep_what_is_written(tmp_path: Path) -> None:
    rows = empty_rows(5, 3, torch.bfloat16, tmp_path)
    rows[:] = torch.arange(15).view(5, 3)
    assert rows.float().flatten().tolist() == list(range(15))
    assert list(tmp_path.iterdir()) == []


def full(descriptor: int, num_bytes: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("temporary", [False, True])
def test_a_full_disk_is_told_before_rows_are_mapped(
    temporary: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iciclegcn.nn.layerwise.reserve", full)
    if temporary:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(NoRoomError) as caught:
        empty_rows(2**20, 256, torch.float32, tmp_path)
    remedy = "set TMPDIR to a folder with room" if temporary else "make room there"
    assert str(caught.value) == (
        f"cannot keep 1.00 GiB of states in '{tmp_path}' (No space left on device); {remedy}, or "
        "raise 'mgcn.memory_gib' so that they stay in memory"
    )
    assert list(tmp_path.iterdir()) == []


def test_rows_in_a_file_have_their_room_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        "iciclegcn.nn.layerwise.reserve", lambda _, num_bytes: asked.append(num_bytes)
    )
    empty_rows(5, 3, torch.bfloat16, tmp_path)
    empty_rows(5, 3, torch.float32, None)
    assert asked == [30]


def test_blocks_cover_the_rows_in_order() -> None:
    assert list(row_blocks(5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(row_blocks(0, 2)) == []
