import pytest
import torch

from benchmarks.step_costs import dense_flop, matrix_peak, time_shares


def test_the_operations_of_a_step_by_hand() -> None:
    # Widths 3-4-2: encoder 12 + 8 products a node, decoder the same, a stream 12 + 8 + 4.
    encoder, decoder, stream = 2 * 12 + 3 * 8, 3 * 20, 2 * 12 + 3 * 12
    assert dense_flop(5, (3, 4, 2), 2) == 2 * 5 * (encoder + decoder + 2 * stream)


def test_a_node_of_the_paper_needs_about_35_million_operations() -> None:
    assert dense_flop(1, (512, 500, 500, 2000, 10), 2) == pytest.approx(35e6, rel=0.05)


def test_the_peak_is_a_rate_of_this_machine() -> None:
    assert 1e8 < matrix_peak(torch.float32, size=128, repeats=2) < 1e15


def test_the_shares_of_a_step_of_products_are_those_of_products() -> None:
    a = torch.randn(300, 300)
    shares = time_shares(lambda: a @ a)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert shares["matrix products"] > 0.8
    assert shares["sparse products"] == 0
