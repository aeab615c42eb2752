import pytest

import graphs.plan
from graphs.plan import (
    FEWEST_ROWS,
    INDEXES,
    code_subspaces,
    exact_work,
    free_bytes,
    index_bytes,
    num_cells,
    plan_search,
)

GIB = 2**30


def test_auto_is_exact_while_that_is_affordable() -> None:
    assert plan_search(60_000, 512, 10, memory_gib=8).kind == "exact"
    assert plan_search(1_000_000, 512, 10, memory_gib=8).kind == "ivf_pq"
    # The cost counts, not the number of rows.
    assert plan_search(1_000_000, 8, 10, memory_gib=8).kind == "exact"
    assert exact_work(60_000, 512) == pytest.approx(1.84e12, rel=0.01)


def test_auto_stays_exact_longer_where_a_gpu_searches() -> None:
    assert plan_search(1_000_000, 512, 10, memory_gib=8, gpu=True).kind == "exact"
    assert plan_search(10_000_000, 512, 10, memory_gib=60, gpu=True).kind == "ivf_pq"


def test_a_million_rows_of_512_fit_into_two_gib() -> None:
    plan = plan_search(1_000_000, 512, 10, memory_gib=2)
    assert plan.num_cells == 4096
    assert plan.training_rows == 40 * 4096
    # 4 bits for two entries, and their table; less than an eighth of the features.
    assert 128e6 < plan.index_bytes < 2_048e6 / 4
    assert plan.peak_bytes <= 2 * GIB


def test_exact_search_keeps_the_rows_in_memory_where_they_fit() -> None:
    assert plan_search(60_000, 512, 10, memory_gib=1).resident
    tight = plan_search(60_000, 512, 10, memory_gib=0.1)
    assert not tight.resident
    assert tight.block_bytes < plan_search(60_000, 512, 10, memory_gib=1).block_bytes
    assert tight.peak_bytes <= 0.1 * GIB


def test_few_rows_ask_for_little_memory() -> None:
    assert plan_search(100, 16, 5).peak_bytes < 0.02 * GIB


@pytest.mark.parametrize("index", INDEXES)
def test_what_is_planned_fits_what_was_given(index: str) -> None:
    need = plan_search(200_000, 128, 10, index=index, memory_gib=100).peak_bytes
    plan = plan_search(200_000, 128, 10, index=index, memory_gib=need / GIB)
    assert plan.peak_bytes <= need
    assert plan.kind == index
    assert plan.index_bytes == index_bytes(index, 200_000, 128)


def test_too_little_memory_says_what_would_fit() -> None:
    message = (
        r"'memory_gib' must be at least 3\.98 to search 1,000,000 x 512 rows with index ivf_flat "
        r"\(got 2\.00\); what fits: exact \(0\.\d\d\), ivf_sq8 \(1\.\d\d\), ivf_pq \(0\.\d\d\)"
    )
    with pytest.raises(ValueError, match=message):
        plan_search(1_000_000, 512, 10, index="ivf_flat", memory_gib=2)
    with pytest.raises(ValueError, match=r"\(got 0\.01\); nothing fits in less"):
        plan_search(1_000_000, 512, 10, memory_gib=0.01)


def test_what_is_said_to_be_enough_is_enough() -> None:
    with pytest.raises(ValueError, match="at least") as told:
        plan_search(300_000, 64, 10, index="ivf_sq8", memory_gib=0.01)
    need = float(str(told.value).split("at least ")[1].split()[0])
    assert plan_search(300_000, 64, 10, index="ivf_sq8", memory_gib=need + 0.01).kind == "ivf_sq8"
    with pytest.raises(ValueError, match="at least"):
        plan_search(300_000, 64, 10, index="ivf_sq8", memory_gib=need - 0.02)


def test_half_of_what_is_free_is_used_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs.plan, "free_bytes", lambda: int(0.2 * GIB))
    assert plan_search(60_000, 512, 10).peak_bytes <= 0.1 * GIB


def test_free_memory_is_less_than_a_machine_has() -> None:
    assert 2**20 < free_bytes() < 2**50


def test_cells_grow_with_the_root_of_the_rows() -> None:
    assert num_cells(1_000_000) == 4096
    assert num_cells(250_000) == 2048
    assert num_cells(4_000) == 100  # 40 rows each to learn from
    assert num_cells(64) == 1


def test_codes_are_of_two_entries_unless_rows_are_short_or_odd() -> None:
    assert [code_subspaces(dim) for dim in (512, 64, 129)] == [256, 64, 129]


def test_an_index_needs_rows_to_learn_from() -> None:
    with pytest.raises(ValueError, match=rf"ivf_pq needs {FEWEST_ROWS} rows or more \(got 63\)"):
        plan_search(63, 4, 2, index="ivf_pq")
    assert plan_search(63, 4, 2).kind == "exact"


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'index' must be auto or one of exact, .*'annoy'\)"):
        plan_search(100, 4, 2, index="annoy")
    for memory in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"'memory_gib' must be positive"):
            plan_search(100, 4, 2, memory_gib=memory)
