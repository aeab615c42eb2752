"""Two ranks train GCC as one does."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.spawn import start_processes

from iciclegcn.distributed.ranks import Ranks
from iciclegcn.methods import gcc
from tests.distributed import gcc_ranks
from tests.distributed.two_ranks import free_port

Results = dict[str, Any]
STEPS = [4, 4, 3, 3]  # of every epoch: 29 images until the first graph, 23 from then on


@pytest.fixture(scope="module")
def one() -> Results:
    """What one process computes."""
    threads, interval = torch.get_num_threads(), gcc.SAVE_INTERVAL
    torch.set_num_threads(1)
    gcc.SAVE_INTERVAL = -1.0
    try:
        half_way = gcc_ranks.trained(stop_after=3)["state"]
        return gcc_ranks.everything(Ranks(), half_way) | {"half_way": half_way}
    finally:
        gcc.SAVE_INTERVAL = interval
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def both(one: Results, tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    """What each of two gloo ranks computes."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    torch.save(one["half_way"], folder / "half_way.pt")
    arguments = (free_port(), folder)
    start_processes(gcc_ranks.work, arguments, nprocs=2)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in (0, 1)]


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], limit: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # Beside the largest entry: sums of large gradients cancel in some.
        error = (found[name] - value).abs().max() / value.abs().max().clamp_min(1)
        assert error < limit, f"{name}: {error}"


def assert_rows_follow(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    assert len(found) == len(expected)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    for step, (row, other) in enumerate(zip(expected, found, strict=True)):
        assert other == pytest.approx(row, rel=1e-3), step


@pytest.mark.parametrize("variant", gcc_ranks.VARIANTS)
def test_two_shares_of_a_batch_give_its_loss_and_its_gradients(
    one: Results, both: list[Results], variant: str
) -> None:
    expected = one[variant]
    assert sum(name.startswith("gradient") for name in expected) > 20
    for rank in both:
        assert_close(rank[variant], expected, 1e-5)


def test_the_graph_is_the_same_on_both_ranks(one: Results, both: list[Results]) -> None:
    assert one["searched"]["lists"].shape == (37, 6)
    for rank in both:
        for name, value in one["searched"].items():
            assert torch.equal(rank["searched"][name], value), name


def test_both_ranks_have_the_same_bits(both: list[Results]) -> None:
    for name, value in both[0]["fresh"]["weights"].items():
        assert torch.equal(both[1]["fresh"]["weights"][name], value), name
    assert both[0]["fresh"]["rows"] == both[1]["fresh"]["rows"]


def test_training_sees_the_same_batches_views_and_neighbours(
    one: Results, both: list[Results]
) -> None:
    assert len(one["fresh"]["rows"]) == sum(STEPS)
    assert_rows_follow(both[0]["fresh"]["rows"], one["fresh"]["rows"])


def test_a_run_of_one_process_goes_on_with_two(one: Results, both: list[Results]) -> None:
    assert_rows_follow(both[0]["resumed"]["rows"], one["fresh"]["rows"][sum(STEPS[:3]) :])


def test_a_run_of_two_processes_goes_on_with_one(both: list[Results]) -> None:
    rows = gcc_ranks.trained(both[0]["stopped"]["state"])["rows"]
    assert_rows_follow(rows, both[0]["fresh"]["rows"][sum(STEPS[:2]) :])


def test_only_rank_0_remembers(one: Results, both: list[Results]) -> None:
    memory = both[0]["stopped"]["state"]["memory"]
    torch.testing.assert_close(memory, one["stopped"]["state"]["memory"], rtol=1e-3, atol=1e-3)
    assert "memory" not in both[1]["stopped"]["state"]
