import pytest
import torch
from torch import Tensor

from graphs import refine_partition as module
from graphs.modularity import modularity
from graphs.refine_partition import refine_partition


def cliques(sizes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Complete graphs, each joined to the next by one edge; edges sorted by row, and whose."""
    owner = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    dense = owner[:, None] == owner[None, :]
    bounds = torch.tensor(sizes).cumsum(0)[:-1]
    dense[bounds, bounds - 1] = dense[bounds - 1, bounds] = True
    return dense.nonzero().T, owner


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nodes_in_the_wrong_clique_move_home() -> None:
    edge_index, owner = cliques((6, 6, 8))
    start = owner.clone()
    start[[0, 7, 15]] = torch.tensor([1, 2, 0])
    found = refine_partition(edge_index, start, 3, generator())
    assert torch.equal(found, owner)
    assert start[0] == 1  # what came is left alone


def test_the_best_partition_stays() -> None:
    edge_index, owner = cliques((5, 7))
    assert torch.equal(refine_partition(edge_index, owner, 2, generator()), owner)


@pytest.mark.parametrize("seed", range(5))
def test_modularity_never_falls(seed: int) -> None:
    edge_index, owner = cliques((9, 4, 5, 12))
    start = torch.randint(4, owner.shape, generator=generator(seed))
    found = refine_partition(edge_index, start, 4, generator(seed))
    assert modularity(edge_index, found) >= modularity(edge_index, start)
    assert len(torch.unique(found)) == 4


def test_a_cluster_keeps_a_node() -> None:
    # One clique and three clusters: merging would raise the modularity.
    edge_index, _ = cliques((9,))
    start = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 2])
    found = refine_partition(edge_index, start, 3, generator())
    assert set(found.tolist()) == {0, 1, 2}


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    edge_index, owner = cliques((9, 4, 5, 12))
    start = torch.randint(4, owner.shape, generator=generator(9))
    whole = refine_partition(edge_index, start, 4, generator())
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 12)
    assert torch.equal(refine_partition(edge_index, start, 4, generator()), whole)


def test_a_graph_without_edges_leaves_the_partition() -> None:
    loops = torch.arange(4).repeat(2, 1)
    start = torch.tensor([0, 1, 1, 0])
    assert torch.equal(refine_partition(loops, start, 2, generator()), start)


@pytest.mark.parametrize("seed", range(4))
def test_every_node_wants_the_cluster_of_highest_modularity(seed: int) -> None:
    dense = (torch.rand(24, 24, generator=generator(seed)) < 0.15).triu(1)
    edges = (dense | dense.T).nonzero().T
    start = torch.randint(3, (24,), generator=generator(seed))
    degree = torch.bincount(edges[0], minlength=24)
    rowptr = torch.cat([torch.zeros(1, dtype=torch.int64), degree.cumsum(0)])
    wanted = module._best_clusters(edges[1], rowptr, degree, start, 3)
    for node in range(24):
        reached = []
        for cluster in range(3):
            moved = start.clone()
            moved[node] = cluster
            reached.append(modularity(edges, moved))
        assert reached[wanted[node]] == pytest.approx(max(reached), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_in_the_end_no_single_move_gains(seed: int) -> None:
    dense = (torch.rand(24, 24, generator=generator(seed)) < 0.15).triu(1)
    edges = (dense | dense.T).nonzero().T
    start = torch.randint(3, (24,), generator=generator(seed))
    found = refine_partition(edges, start, 3, generator(seed), rounds=100)
    reached = modularity(edges, found)
    for node in range(24):
        for cluster in range(3):
            moved = found.clone()
            moved[node] = cluster
            assert modularity(edges, moved) <= reached + 1e-12
