"""New rows, against the network run naively over the whole graph with their edges appended."""

from pathlib import Path

import numpy as np
import pytest
import torch

from graphs import NeighborIndex, knn
from iciclegcn.config import Config, GraphConfig, MGCNConfig
from iciclegcn.methods import new_nodes
from iciclegcn.methods.new_nodes import NewNodes, attach_and_assign
from iciclegcn.nn import MGCN, AutoEncoder
from iciclegcn.nn.attached_nodes import propagated_states
from iciclegcn.nn.mgcn import MGCNAssignments
from iciclegcn.nn.propagate import Propagation, prepare_propagation
from iciclegcn.runtime import Runtime

N, M, D, K = 60, 7, 5, 3
RUNTIME = Runtime(0, torch.device("cpu"), "fp32")


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(N + M, D)).astype(np.float32)
    return x[:N], x[N:]


@pytest.fixture
def model() -> MGCN:
    torch.manual_seed(3)
    return MGCN(AutoEncoder(D, (8, 12), K), 2).eval()


def config(**graph: object) -> Config:
    return Config(num_clusters=K, graph=GraphConfig(k=(1, 4), **graph))  # type: ignore[arg-type]


def naive_graph(x: np.ndarray, new: np.ndarray, k: int, normalization: str) -> Propagation:
    """Dense and by definition: old degrees as in training, new rows below the old ones."""

    def listed(queries: np.ndarray, exclude: bool) -> np.ndarray:
        squared = ((queries[:, None].astype(np.float64) - x[None]) ** 2).sum(2)
        if exclude:
            np.fill_diagonal(squared, np.inf)
        edges = np.zeros(squared.shape)
        np.put_along_axis(edges, np.argsort(squared, 1)[:, :k], 1.0, 1)
        return edges

    total = N + len(new)
    old = listed(x, True)
    matrix = np.zeros((total, total))
    matrix[:N, :N] = np.maximum(old, old.T)
    matrix[N:, :N] = listed(new, False)
    matrix += np.eye(total)
    degree = matrix.sum(1)
    scale = np.sqrt(np.outer(degree, degree)) if normalization == "symmetric" else degree[:, None]
    normalized = torch.from_numpy((matrix / scale).astype(np.float32))
    target, source = normalized.nonzero().T
    return prepare_propagation(torch.stack([source, target]), normalized[target, source], total)


@torch.no_grad()
def naive(model: MGCN, x: np.ndarray, new: np.ndarray, normalization: str) -> MGCNAssignments:
    graphs = [naive_graph(x, new, k, normalization) for k in (1, 4)]
    code, q, streams = model.assign(torch.from_numpy(np.concatenate([x, new])), graphs)
    return MGCNAssignments(code[N:], q[N:], [stream[N:] for stream in streams])


@pytest.mark.parametrize("normalization", ["symmetric", "row"])
def test_new_rows_get_what_the_whole_graph_gives_them(
    normalization: str, rows: tuple[np.ndarray, np.ndarray], model: MGCN
) -> None:
    x, new = rows
    nodes = NewNodes(model, x, knn(x, 4), config(normalization=normalization), RUNTIME)
    found, expected = nodes.assign(new), naive(model, x, new, normalization)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_row_does_not_depend_on_its_company(
    rows: tuple[np.ndarray, np.ndarray], model: MGCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, new = rows
    nodes = NewNodes(model, x, knn(x, 4), config(), RUNTIME)
    together = nodes.probabilities(new)
    torch.testing.assert_close(nodes.probabilities(new[3:4]), together[3:4])
    monkeypatch.setattr(new_nodes, "BATCH_ROWS", 2)
    torch.testing.assert_close(nodes.probabilities(new), together)


@pytest.mark.parametrize("output", ["streams", "stream_1", "q"])
def test_the_output_is_the_one_that_names_clusters(
    output: str, rows: tuple[np.ndarray, np.ndarray], model: MGCN
) -> None:
    x, new = rows
    chosen = Config(num_clusters=K, graph=GraphConfig(k=(1, 4)), mgcn=MGCNConfig(output=output))
    found = attach_and_assign(new, x, knn(x, 4), model, chosen, RUNTIME)
    whole = naive(model, x, new, "symmetric")
    expected = {
        "streams": (whole.streams[0] + whole.streams[1]) / 2,
        "stream_1": whole.streams[1],
        "q": whole.q,
    }[output]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_options_of_the_graph_change_what_is_heard(
    rows: tuple[np.ndarray, np.ndarray], model: MGCN
) -> None:
    x, new = rows
    plain = attach_and_assign(new, x, knn(x, 4), model, config(), RUNTIME)
    for options in (
        {"symmetrize": "mutual"},
        {"edge_weight": "heat", "heat_time": 3.0},
        {"metric": "cosine"},
    ):
        neighbors = knn(x, 4, metric=str(options.get("metric", "l2")))
        other = attach_and_assign(new, x, neighbors, model, config(**options), RUNTIME)
        assert (other - plain).abs().max() > 1e-4


def test_states_beyond_the_memory_go_to_a_file(
    rows: tuple[np.ndarray, np.ndarray],
    model: MGCN,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, new = rows
    kept: list[Path | None] = []
    compute = propagated_states

    def spy(*arguments: object, folder: Path | None) -> object:
        kept.append(folder)
        return compute(*arguments, folder=folder)  # type: ignore[arg-type]

    monkeypatch.setattr(new_nodes, "propagated_states", spy)
    # Two streams keep 8 + 3 + 3 numbers of a node, 4 bytes each.
    budgets = {N * 2 * 14 * 4: None, N * 2 * 14 * 4 - 1: tmp_path}
    found = []
    for budget in budgets:
        chosen = Config(
            num_clusters=K,
            graph=GraphConfig(k=(1, 4)),
            mgcn=MGCNConfig(memory_gib=budget / 2**30),
        )
        nodes = NewNodes(model, x, knn(x, 4), chosen, RUNTIME, folder=tmp_path)
        found += [nodes.probabilities(new), nodes.probabilities(new)]
    assert kept == list(budgets.values())  # once each, not once a call
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_an_index_at_hand_is_searched(
    rows: tuple[np.ndarray, np.ndarray], model: MGCN, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, new = rows
    neighbors, index = knn(x, 4), NeighborIndex.build(x, 4)
    built = NewNodes(model, x, neighbors, config(), RUNTIME).probabilities(new)
    monkeypatch.setattr(NeighborIndex, "build", None)
    nodes = NewNodes(model, x, neighbors, config(), RUNTIME, index=index)
    assert torch.equal(nodes.probabilities(new), built)


def test_rows_of_another_width_are_refused(
    rows: tuple[np.ndarray, np.ndarray], model: MGCN
) -> None:
    x, new = rows
    nodes = NewNodes(model, x, knn(x, 4), config(), RUNTIME)
    with pytest.raises(ValueError, match=r"'x' must have 5 columns.*got 4"):
        nodes.probabilities(new[:, :4])


def test_no_rows_are_refused(rows: tuple[np.ndarray, np.ndarray], model: MGCN) -> None:
    x, new = rows
    nodes = NewNodes(model, x, knn(x, 4), config(), RUNTIME)
    for ask in (nodes.assign, nodes.code):
        with pytest.raises(ValueError, match="at least one new row"):
            ask(new[:0])
