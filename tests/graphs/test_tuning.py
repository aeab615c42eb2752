import numpy as np
import pytest

from graphs.approximate import ApproximateSearch
from graphs.backends import faiss_cpu
from graphs.exact import ExactSearch
from graphs.neighbor_lists import neighbor_lists
from graphs.plan import plan_search
from graphs.rows import Rows
from graphs.tuning import Tuned, candidate_ladder, recall, tune
from tests.graphs.planted import brute_force, planted_rows

X = planted_rows()
ROWS = Rows(X, "l2")


def tuned(kind: str, target: float) -> tuple[ApproximateSearch, Tuned]:
    plan = plan_search(ROWS.num_rows, ROWS.dim, 10, index=kind, memory_gib=1)
    search = ApproximateSearch.build(ROWS, plan, 0)
    exact = ExactSearch(ROWS, faiss_cpu, resident=False, block_bytes=2**20)
    return search, tune(ROWS, search, exact, 10, target, 2**20, 0)


def test_recall_counts_neighbors_and_spreads_over_rows() -> None:
    truth = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0], [3.0, 4.0]])
    found = np.array([[1.0, 2.0], [1.0, 5.0], [3.0, 4.0], [9.0, np.inf]])
    mean, error = recall(found, truth)
    assert mean == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert error == pytest.approx(np.std([1, 0.5, 1, 0], ddof=1) / 2)


def test_ties_are_no_misses() -> None:
    assert recall(np.array([[2.0, 2.0]]), np.array([[1.0, 2.0]])) == (1.0, 0.0)


@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_sq8", "ivf_pq", "hnsw"])
def test_the_target_is_reached_on_all_rows(kind: str) -> None:
    search, found = tuned(kind, 0.95)
    assert found.reaches(0.95)
    assert found.sample_size == 1000
    assert search.effort == found.effort
    indices, _ = neighbor_lists(ROWS, search, 10, found.candidates, 2**20)
    truth, _ = brute_force(X, 10)
    share = np.mean([np.isin(row, true).mean() for row, true in zip(indices, truth, strict=True)])
    assert share == pytest.approx(found.recall, abs=3 * found.error + 1e-3)


def test_a_higher_target_takes_more_effort() -> None:
    _, low = tuned("ivf_flat", 0.5)
    _, high = tuned("ivf_flat", 0.999)
    assert low.effort < high.effort
    assert low.recall < high.recall


def test_no_more_candidates_are_measured_than_the_target_takes() -> None:
    _, low = tuned("ivf_pq", 0.5)
    _, high = tuned("ivf_pq", 0.99)
    assert low.candidates < high.candidates


def test_a_target_beyond_reach_leaves_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApproximateSearch, "most_effort", 2)
    search, found = tuned("ivf_flat", 0.999)
    assert not found.reaches(0.999)
    assert (search.effort, found.effort) == (2, 2)


def test_codes_get_more_candidates_to_choose_from() -> None:
    assert candidate_ladder(10, 10_000, "ivf_flat") == [16]
    assert candidate_ladder(10, 10_000, "ivf_pq") == [16, 22, 44, 88, 176]
    assert candidate_ladder(10, 60, "ivf_pq") == [16, 22, 44, 60]
    assert candidate_ladder(1, 10_000, "ivf_sq8") == [7, 8, 16, 32]
