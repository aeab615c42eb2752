"""Two ranks self-label and refine as one does."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.multiprocessing.spawn import start_processes

from iciclegcn.distributed.ranks import Ranks
from iciclegcn.methods import ruc, self_label
from tests.distributed import refining_ranks
from tests.distributed.refining_ranks import KINDS
from tests.distributed.two_ranks import free_port

Results = dict[str, Any]


@pytest.fixture(scope="module")
def one() -> Results:
    """What one process computes."""
    threads, intervals = torch.get_num_threads(), (self_label.SAVE_INTERVAL, ruc.SAVE_INTERVAL)
    torch.set_num_threads(1)
    self_label.SAVE_INTERVAL = ruc.SAVE_INTERVAL = -1.0
    try:
        half_way = {kind: refining_ranks.trained(kind, stop_after=1)["state"] for kind in KINDS}
        return refining_ranks.everything(Ranks(), half_way) | {"half_way": half_way}
    finally:
        self_label.SAVE_INTERVAL, ruc.SAVE_INTERVAL = intervals
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def both(one: Results, tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    """What each of two gloo ranks computes."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    torch.save(one["half_way"], folder / "half_way.pt")
    arguments = (free_port(), folder)
    start_processes(refining_ranks.work, arguments, nprocs=2)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in (0, 1)]


def assert_rows_follow(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    assert len(found) == len(expected) > 0
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    for step, (row, other) in enumerate(zip(expected, found, strict=True)):
        assert other == pytest.approx(row, rel=1e-3), step


@pytest.mark.parametrize("kind", KINDS)
def test_two_ranks_see_the_batches_views_and_targets_of_one(
    one: Results, both: list[Results], kind: str
) -> None:
    assert_rows_follow(both[0][kind]["fresh"]["rows"], one[kind]["fresh"]["rows"])


@pytest.mark.parametrize("kind", KINDS)
def test_both_ranks_have_the_same_bits(both: list[Results], kind: str) -> None:
    first, second = (rank[kind]["fresh"] for rank in both)
    for name, value in first["weights"].items():
        assert torch.equal(second["weights"][name], value), name
    assert first["rows"] == second["rows"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_of_one_process_goes_on_with_two(
    one: Results, both: list[Results], kind: str
) -> None:
    rows = both[0][kind]["resumed"]["rows"]
    assert_rows_follow(rows, one[kind]["fresh"]["rows"][-len(rows) :])


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_end_close_to_one(one: Results, both: list[Results], kind: str) -> None:
    expected = one[kind]["fresh"]["weights"]
    for name, value in both[0][kind]["fresh"]["weights"].items():
        torch.testing.assert_close(value, expected[name], rtol=1e-2, atol=1e-3, msg=name)
