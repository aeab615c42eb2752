from pathlib import Path

import faiss
import numpy as np
import pytest

from graphs.approximate import ApproximateSearch
from graphs.plan import plan_search
from graphs.rows import Rows
from tests.graphs.planted import brute_force, planted_rows

ROWS = Rows(planted_rows(), "l2")
QUERIES = ROWS.centered(slice(0, 100))
KINDS = ("ivf_flat", "ivf_sq8", "ivf_pq", "hnsw")
TRUTH, _ = brute_force(planted_rows(), 9)


def build(kind: str, seed: int = 0) -> ApproximateSearch:
    plan = plan_search(ROWS.num_rows, ROWS.dim, 9, index=kind, memory_gib=1)
    return ApproximateSearch.build(ROWS, plan, seed)


def hits(found: np.ndarray) -> float:
    pairs = zip(found, TRUTH, strict=False)
    return float(np.mean([np.isin(true, row).mean() for row, true in pairs]))


@pytest.fixture(scope="module", params=KINDS)
def search(request: pytest.FixtureRequest) -> ApproximateSearch:
    return build(request.param)


def test_more_effort_finds_more(search: ApproximateSearch) -> None:
    search.effort = 1
    little = hits(search.find(QUERIES, 40))
    search.effort = search.most_effort
    much = hits(search.find(QUERIES, 40))
    assert much > 0.97
    # An effort of 1 is raised to the candidates asked for by HNSW.
    assert little < much or search.kind == "hnsw"


def test_whole_rows_are_ranked_rightly() -> None:
    flat = build("ivf_flat")
    flat.effort = flat.num_cells
    found = flat.find(QUERIES, 10)
    np.testing.assert_array_equal(found[:, 0], np.arange(100))
    np.testing.assert_array_equal(found[:, 1:], TRUTH[:100])


def test_the_order_lists_every_row_by_its_cell(search: ApproximateSearch) -> None:
    order, cells = search.order(), search.cells()
    if search.kind == "hnsw":
        assert order is None
        assert cells is None
        assert search.num_cells == 0
        return
    assert order is not None
    assert cells is not None
    np.testing.assert_array_equal(np.sort(order), np.arange(ROWS.num_rows))
    assert (np.diff(cells[order]) >= 0).all()
    assert len(np.unique(cells)) <= search.num_cells == 50


def test_what_no_cell_holds_is_missing() -> None:
    flat = build("ivf_flat")
    flat.effort = 1
    found = flat.find(QUERIES, 1500)
    assert (found[:, -1] == -1).all()
    assert (found[:, 0] >= 0).all()


def test_tables_for_few_queries_at_a_time_change_nothing(tmp_path: Path) -> None:
    coded = build("ivf_pq")
    coded.effort = 8
    whole = coded.find(QUERIES, 20)
    coded.write(tmp_path / "index.faiss")
    # Seven tables of 8 cells and 32 codes of 16 values.
    little = ApproximateSearch.read(tmp_path / "index.faiss", "ivf_pq", 5 * 16 * 8 * 32 * 7)
    little.effort = 8
    np.testing.assert_array_equal(little.find(QUERIES, 20), whole)


def test_a_written_index_finds_the_same(search: ApproximateSearch, tmp_path: Path) -> None:
    search.effort = 8
    search.write(tmp_path / "index.faiss")
    read = ApproximateSearch.read(tmp_path / "index.faiss", search.kind)
    read.effort = 8
    np.testing.assert_array_equal(read.find(QUERIES, 20), search.find(QUERIES, 20))
    assert read.size == (2000, 32)


def test_a_seed_fixes_the_cells() -> None:
    first, again, other = build("ivf_flat", 1), build("ivf_flat", 1), build("ivf_flat", 2)
    orders = [np.asarray(search.order()) for search in (first, again, other)]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


def test_another_index_in_the_file_is_refused(tmp_path: Path) -> None:
    build("ivf_sq8").write(tmp_path / "index.faiss")
    with pytest.raises(ValueError, match=r"must hold an index ivf_pq \(got IndexIVFScalarQuant"):
        ApproximateSearch.read(tmp_path / "index.faiss", "ivf_pq")


@pytest.mark.parametrize("content", [None, b"no index"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "index.faiss"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"index\.faiss' is absent or damaged; build the index"):
        ApproximateSearch.read(file, "hnsw")


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "index.faiss"
    build("ivf_flat").write(file)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ValueError, match="absent or damaged"):
        ApproximateSearch.read(file, "ivf_flat")


def test_the_file_is_a_plain_index_of_faiss(tmp_path: Path) -> None:
    build("ivf_pq").write(tmp_path / "index.faiss")
    assert faiss.read_index(str(tmp_path / "index.faiss")).ntotal == 2000
