"""Two ranks compute what one does; both results come from ``conftest``."""

from typing import Any

import pytest
import torch
from torch import Tensor

from iciclegcn.distributed.ranks import Ranks, current_ranks, use_ranks
from iciclegcn.runtime import Runtime
from tests.distributed import two_ranks

Results = dict[str, Any]


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], limit: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        close = torch.allclose(found[name], value, rtol=limit, atol=limit)
        assert close, f"{name}: {found[name]} and not {value}"


@pytest.mark.parametrize("variant", two_ranks.VARIANTS)
def test_two_shares_of_a_batch_give_its_loss_and_its_gradients(
    one: Results, both: list[Results], variant: str
) -> None:
    expected = one[variant]
    assert sum(name.startswith("gradient") for name in expected) > 20
    for rank in both:
        assert_close(rank[variant], expected, 1e-5)


def test_both_ranks_have_the_same_bits(both: list[Results]) -> None:
    for name, value in both[0]["fresh"]["weights"].items():
        assert torch.equal(both[1]["fresh"]["weights"][name], value), name
    assert both[0]["fresh"]["rows"] == both[1]["fresh"]["rows"]


def test_training_sees_the_same_batches_and_views(one: Results, both: list[Results]) -> None:
    expected, found = one["fresh"]["rows"], both[0]["fresh"]["rows"]
    assert len(found) == len(expected) == 6  # 2 epochs of 3 steps
    for step, (row, other) in enumerate(zip(expected, found, strict=True)):
        assert other == pytest.approx(row, rel=1e-3), step
    assert found[0] == pytest.approx(expected[0], rel=1e-5)


def test_embedding_on_two_ranks_gives_the_bits_of_one(one: Results, both: list[Results]) -> None:
    assert torch.equal(both[0]["embedded"], one["embedded"])
    assert len(one["embedded"]) == two_ranks.NUM_IMAGES
    assert both[1]["embedded"].shape == (0, 8)  # only rank 0 has them


def test_queries_shared_by_two_ranks_find_the_same_neighbours(
    one: Results, both: list[Results]
) -> None:
    assert one["searched"]["indices"].shape == (37, 4)
    for name, value in one["searched"].items():
        assert torch.equal(both[0]["searched"][name], value), name


def test_cells_shared_by_two_ranks_train_as_on_one(one: Results, both: list[Results]) -> None:
    expected, found = one["clustered"], both[0]["clustered"]
    assert len(found) == len(expected) == 6
    # Rank 0 alone sees the clusters of all nodes, and how many change.
    losses = [{name: row[name] for name in row if name != "changed"} for row in found]
    assert losses == both[1]["clustered"]
    for row, other in zip(expected, found, strict=True):
        assert other == pytest.approx(row, rel=1e-4)


def test_a_run_of_one_process_goes_on_with_two(one: Results, both: list[Results]) -> None:
    rows = both[0]["resumed"]["rows"]
    assert rows[0] == pytest.approx(one["fresh"]["rows"][3], rel=1e-5)
    for row, expected in zip(rows, one["fresh"]["rows"][3:], strict=True):
        assert row == pytest.approx(expected, rel=1e-3)


def test_a_run_of_two_processes_goes_on_with_one(
    both: list[Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = both[0]["stopped"]["state"]
    rows = two_ranks.trained(state)["rows"]
    assert rows[0] == pytest.approx(both[0]["fresh"]["rows"][3], rel=1e-5)
    assert len(rows) == 3


def test_states_have_the_same_names_and_shapes(one: Results, both: list[Results]) -> None:
    def layout(state: dict[str, Any]) -> list[tuple[str, torch.Size]]:
        return [(name, tensor.shape) for name, tensor in state["model"].items()]

    assert layout(both[0]["stopped"]["state"]) == layout(one["half_way"])
    optimizers = [state["optimizer"] for state in (both[0]["stopped"]["state"], one["half_way"])]
    assert optimizers[0]["param_groups"] == optimizers[1]["param_groups"]
    assert optimizers[0]["state"].keys() == optimizers[1]["state"].keys()


@pytest.mark.parametrize(("total", "size"), [(7, 2), (8, 4), (2, 3), (0, 2), (1_281_167, 64)])
def test_shares_are_disjoint_even_and_complete(total: int, size: int) -> None:
    shares = [Ranks(rank, size).share(total) for rank in range(size)]
    assert shares[0].start == 0
    assert shares[-1].stop == total
    assert [a.stop for a in shares[:-1]] == [b.start for b in shares[1:]]
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1
    assert Ranks(0, size).lengths(total) == lengths


def test_alone_nothing_is_exchanged() -> None:
    alone, rows = Ranks(), torch.ones(3, 2, requires_grad=True)
    assert alone.is_main
    assert alone.gather(rows, 3) is rows
    assert alone.mean(rows) is rows
    network = torch.nn.Linear(2, 2)
    assert alone.train_together(network) is network
    alone.average_gradients(network)
    assert alone.broadcast("value") == "value"
    alone.summon(print)
    alone.barrier()
    alone.dismiss()


def test_a_runtime_knows_the_ranks_of_its_process() -> None:
    assert Runtime.create(0, "cpu", "fp32").ranks == Ranks()
    others = Ranks(1, 4, 1, 4)
    use_ranks(others)
    try:
        assert current_ranks() is others
        assert Runtime.create(0, "cpu", "fp32").ranks is others
    finally:
        use_ranks(Ranks())


def test_batch_normalisation_over_uneven_shares_is_that_of_the_whole_batch(
    one: Results, both: list[Results]
) -> None:
    assert {"output", "input", "0.weight", "0.running_var"} <= one["normalised"].keys()
    for rank in both:
        assert_close(rank["normalised"], one["normalised"], 1e-9)
