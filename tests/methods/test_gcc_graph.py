import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from graphs import NeighborIndex, RecallWarning
from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.errors import UserError
from iciclegcn.methods.gcc_graph import NeighborGraph, search_graph
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "gcc.npz")


def found(rows: Tensor, k: int, **changes: object) -> NeighborGraph:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    config = build_config(Config(), {"gcc.num_neighbors": k, "gcc.contrast_neighbors": 1, **named})
    return search_graph(rows, config, Runtime.create(0, "cpu", "fp32"), NullMonitor())


def some(n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def test_lists_and_weights_agree_with_golden_values() -> None:
    graph = found(torch.from_numpy(GOLDEN["x"]), 5)
    assert graph.lists.tolist() == GOLDEN["knn_with_self"].tolist()
    np.testing.assert_allclose(graph.weight.numpy(), GOLDEN["node_weight"], rtol=1e-6)


def test_the_graph_of_four_rows_is_known() -> None:
    rows = torch.tensor([[3.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
    graph = found(rows, 1)
    # Inner products: the longest row is nearest, also to shorter ones that point the same way.
    assert graph.lists.tolist() == [[0, 1], [1, 0], [2, 3], [3, 0]]
    # Edges 0-1, 2-3 and 0-3: degrees 3, 2, 2 and 3 with every image itself.
    expected = torch.tensor([1.0, 1.5, 1.5, 1.0]).sqrt()
    torch.testing.assert_close(graph.weight, expected)
    torch.testing.assert_close(found(rows, 1, gcc__neighbor_scale=12.0).weight, 2 * expected)


@pytest.mark.parametrize("k", [1, 7, 59])
def test_neighbours_are_those_of_the_largest_inner_product(k: int) -> None:
    rows = some(60, 5) * torch.linspace(0.1, 3, 60)[:, None]  # short ones do not list themselves
    products = rows.double() @ rows.double().T
    products.fill_diagonal_(torch.inf)
    expected = products.argsort(dim=1, descending=True)[:, : k + 1]
    assert torch.equal(found(rows, k).lists, expected)


def test_an_image_lists_itself_first_among_its_duplicates() -> None:
    rows = torch.ones(6, 3)
    lists = found(rows, 2).lists
    assert lists[:, 0].tolist() == list(range(6))
    for row in lists:
        assert len(row.unique()) == 3


def test_weights_follow_the_union_of_the_lists() -> None:
    graph = found(some(40, 4), 3)
    listed = torch.zeros(40, 40, dtype=torch.bool)
    listed[torch.arange(40)[:, None], graph.lists] = True
    degree = (listed | listed.T).sum(dim=1)
    torch.testing.assert_close(graph.weight, (3 / degree).sqrt())


def test_partners_come_from_the_whole_list_alike() -> None:
    graph = NeighborGraph(torch.tensor([[0, 1, 2], [1, 5, 6]]), torch.ones(2))
    rows = torch.tensor([1]).repeat(3000)
    drawn = graph.partners(rows, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn, minlength=7)[[1, 5, 6]]
    assert counts.sum() == 3000
    assert int(counts.min()) > 900


class Listener(NullMonitor):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def warn(self, message: str) -> None:
        self.heard.append(message)


def test_a_search_that_finds_too_few_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    original = NeighborIndex.search

    def poor(index: NeighborIndex, x: np.ndarray, k: int) -> object:
        warnings.warn("half are missing", RecallWarning, stacklevel=2)
        return original(index, x, k)

    monkeypatch.setattr(NeighborIndex, "search", poor)
    monitor, runtime = Listener(), Runtime.create(0, "cpu", "fp32")
    search_graph(some(20, 3), Config(), runtime, monitor)
    assert monitor.heard == ["half are missing (--graph.index, --graph.target_recall)"]


def test_a_search_that_cannot_be_done_is_the_users_choice() -> None:
    with pytest.raises(UserError, match=r"'memory_gib' .*\(--graph.index, --graph.memory_gib\)"):
        found(some(100, 4), 3, graph__memory_gib=1e-6)


def test_an_approximate_index_finds_nearly_the_same() -> None:
    rows = some(600, 6)
    exact, other = found(rows, 4).lists, found(rows, 4, graph__index="ivf_flat").lists
    shared = [len(set(a) & set(b)) for a, b in zip(exact.tolist(), other.tolist(), strict=True)]
    assert np.mean(shared) > 4.5  # of 5, the image itself among them
