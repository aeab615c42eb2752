import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import RecallWarning, knn
from graphs.backends import faiss_has_gpu
from tests.graphs.planted import brute_force, planted_rows

GOLDEN = Path(__file__).parents[1] / "golden"
RNG = np.random.default_rng


def test_knn_on_four_points_of_a_line() -> None:
    found = knn(np.array([[0.0], [1.0], [3.0], [7.0]]), 2)
    assert found.indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert found.squared_distances.tolist() == [[1, 9], [1, 4], [4, 9], [16, 36]]
    assert found.indices.dtype == np.int64
    assert found.squared_distances.dtype == np.float32


@pytest.mark.parametrize("name", ["graph_official", "graph_paper"])
def test_knn_agrees_with_golden_neighbors(name: str) -> None:
    golden = np.load(GOLDEN / f"{name}.npz")
    found = knn(golden["x"], 10)
    np.testing.assert_array_equal(found.indices, golden["neighbors"])
    _, squared = brute_force(golden["x"], 10)
    np.testing.assert_allclose(found.squared_distances, squared, rtol=1e-6)


@pytest.mark.parametrize("backend", ["faiss", "sklearn"])
def test_knn_is_exact_far_from_the_origin(backend: str) -> None:
    # |a|^2 + |b|^2 - 2ab has no correct digit left in float32 here.
    rng = RNG(0)
    x = rng.normal(size=(300, 24)) + 3000
    found = knn(x, 7, backend=backend)
    indices, squared = brute_force(x, 7)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.squared_distances, squared, rtol=1e-6)


def test_an_offset_costs_no_second_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*_: object) -> None:
        raise AssertionError("rows were searched again")

    monkeypatch.setattr("graphs.neighbor_lists.search_again", unexpected)
    x = RNG(0).normal(size=(300, 24)) + 3000
    found = knn(x, 7)
    np.testing.assert_array_equal(found.indices, brute_force(x.astype(np.float32), 7)[0])


def test_knn_is_exact_in_tight_clusters_far_apart() -> None:
    # No shift helps: half of the rows are far from any centre.
    rng = RNG(1)
    x = rng.normal(size=(400, 16)) + np.where(np.arange(400) % 2, 1e4, -1e4)[:, None]
    indices, squared = brute_force(x, 5)
    found = knn(x, 5)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.squared_distances, squared, rtol=1e-6)


def test_smaller_k_is_a_slice_of_larger_k() -> None:
    x = RNG(2).normal(size=(200, 8))
    all_ten = knn(x, 10)
    np.testing.assert_array_equal(knn(x, 3).indices, all_ten.indices[:, :3])


def test_self_is_excluded_among_duplicates_and_ties_go_to_the_lower_index() -> None:
    x = np.vstack([np.ones((40, 3)), np.zeros((2, 3))])
    found = knn(x, 4)
    assert not (found.indices == np.arange(42)[:, None]).any()
    assert found.indices[0].tolist() == [1, 2, 3, 4]
    assert found.indices[2].tolist() == [0, 1, 3, 4]
    assert found.indices[39].tolist() == [0, 1, 2, 3]
    assert found.indices[40].tolist() == [41, 0, 1, 2]
    assert found.squared_distances[41].tolist() == [0, 3, 3, 3]


@settings(max_examples=60, deadline=None)
@given(
    num_nodes=st.integers(2, 30),
    dim=st.integers(1, 3),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_knn_matches_brute_force_on_grids_full_of_ties(
    num_nodes: int, dim: int, seed: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, num_nodes - 1))
    x = RNG(seed).integers(0, 3, (num_nodes, dim)).astype(np.float32)
    indices, squared = brute_force(x, k)
    found = knn(x, k)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_array_equal(found.squared_distances, squared)


def test_knn_follows_a_permutation_of_the_rows() -> None:
    x = RNG(3).normal(size=(120, 6))
    order = RNG(4).permutation(120)
    found, permuted = knn(x, 5), knn(x[order], 5)
    np.testing.assert_array_equal(order[permuted.indices], found.indices[order])


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str
)
def test_knn_takes_every_floating_tensor(dtype: torch.dtype) -> None:
    x = torch.from_numpy(RNG(5).normal(size=(80, 5))).to(dtype).requires_grad_()
    indices, squared = brute_force(x.detach().float().numpy(), 4)
    found = knn(x, 4)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.squared_distances, squared, rtol=1e-6)


def test_knn_leaves_its_input_unchanged() -> None:
    x = RNG(6).normal(size=(50, 4)).astype(np.float32)
    before = x.copy()
    knn(x, 3)
    knn(x, 3, metric="cosine")
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("scale", [1e-30, 1e15])
def test_scale_changes_no_neighbor(scale: float) -> None:
    x = RNG(7).normal(size=(60, 4))
    np.testing.assert_array_equal(knn(x * scale, 5).indices, knn(x, 5).indices)


def test_cosine_ignores_length() -> None:
    found = knn(np.array([[1.0, 0.0], [50.0, 50.0], [0.0, 2.0], [9.0, 1.0]]), 1, metric="cosine")
    assert found.indices.ravel().tolist() == [3, 3, 1, 0]
    # 2 - 2 cos(45 degrees)
    assert found.squared_distances[2, 0] == pytest.approx(2 - 2**0.5, rel=1e-6)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_backends_agree(metric: str) -> None:
    x = RNG(8).normal(size=(150, 12))
    np.testing.assert_array_equal(
        knn(x, 6, metric=metric, backend="sklearn").indices, knn(x, 6, metric=metric).indices
    )


def test_torch_cluster_agrees_with_faiss() -> None:
    pytest.importorskip("torch_cluster", reason="the optional extra 'cluster' is not installed")
    x = RNG(9).normal(size=(150, 12))
    np.testing.assert_array_equal(knn(x, 6, backend="torch_cluster").indices, knn(x, 6).indices)


@pytest.mark.skipif(
    not faiss_has_gpu(), reason="no GPU build of FAISS with a GPU: not yet measured there"
)
def test_gpu_agrees_with_cpu() -> None:
    x = RNG(10).normal(size=(500, 32))
    np.testing.assert_array_equal(
        knn(x, 10, device="gpu").indices, knn(x, 10, device="cpu").indices
    )


@pytest.mark.parametrize("k", [0, -1, 64, 100])
def test_k_out_of_range_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=rf"^'k' must be in \[1, 63\] for 64 nodes \(got {k}\)"):
        knn(np.zeros((64, 2)), k)


def test_rows_that_are_not_finite_are_named() -> None:
    x = np.zeros((20, 3))
    x[4, 1], x[17, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"2 of 20 rows: 4, 17"):
        knn(x, 1)


def test_values_beyond_float32_are_refused_by_row() -> None:
    x = np.zeros((5, 2))
    x[3] = 1e39
    with pytest.raises(ValueError, match=r"'x' must be finite in float32 .* 1 of 5 rows: 3\)"):
        knn(x, 1)


def test_distances_beyond_float32_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must fit float32 \(largest entry 1e\+30\); scale 'x'"):
        knn(np.array([[0.0], [1e30], [-1e30]]), 1)


def test_zero_rows_have_no_cosine() -> None:
    x = np.eye(4)
    x[2] = 0
    with pytest.raises(ValueError, match=r"zero in 1 of 4 rows: 2\).*metric='l2'"):
        knn(x, 1, metric="cosine")


@pytest.mark.parametrize("index", ["ivf_flat", "ivf_sq8", "ivf_pq", "hnsw"])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_approximate_neighbors_are_measured_exactly(index: str, metric: str) -> None:
    x = planted_rows(1200)
    found = knn(x, 5, metric=metric, index=index, memory_gib=1)
    rows = x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "cosine" else x
    indices, squared = brute_force(rows, 5)
    hits = [np.isin(row, true).mean() for row, true in zip(found.indices, indices, strict=True)]
    assert np.mean(hits) >= 0.95
    assert not (found.indices == np.arange(1200)[:, None]).any()
    assert (np.diff(found.squared_distances, axis=1) >= 0).all()
    right = found.indices == indices
    np.testing.assert_allclose(
        found.squared_distances[right], squared[right], rtol=1e-6 if metric == "l2" else 1e-4
    )
    assert found.report is not None
    assert found.report.kind == index
    assert found.report.recall >= 0.95
    assert found.report.sample_size == 1000


def test_auto_is_exact_until_that_costs_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    x = planted_rows(1200)
    report = knn(x, 3).report
    assert report is not None
    assert (report.kind, report.recall, report.sample_size) == ("exact", 1.0, 0)
    monkeypatch.setattr("graphs.plan.EXACT_WORK", 1200 * 1200 * 32 - 1)
    report = knn(x, 3).report
    assert report is not None
    assert report.kind == "ivf_pq"


@pytest.mark.parametrize("index", ["exact", "ivf_pq"])
def test_a_mapped_file_gives_what_the_array_gives(index: str, tmp_path: Path) -> None:
    x = planted_rows(700)
    np.save(tmp_path / "x.npy", x)
    expected = knn(x, 5, index=index)
    for source in (tmp_path / "x.npy", np.load(tmp_path / "x.npy", mmap_mode="r")):
        found = knn(source, 5, index=index)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.squared_distances, expected.squared_distances)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_an_index_takes_every_floating_tensor(dtype: torch.dtype) -> None:
    x = torch.from_numpy(planted_rows(700)).to(dtype)
    as_float32 = knn(x.float(), 5, index="ivf_pq")
    found = knn(x, 5, index="ivf_pq")
    np.testing.assert_array_equal(found.indices, as_float32.indices)
    np.testing.assert_array_equal(found.squared_distances, as_float32.squared_distances)


def test_little_memory_changes_no_neighbor() -> None:
    x = RNG(11).normal(size=(3000, 200))
    plenty, little = knn(x, 5), knn(x, 5, memory_gib=0.018)
    np.testing.assert_array_equal(little.indices, plenty.indices)
    np.testing.assert_array_equal(little.squared_distances, plenty.squared_distances)
    assert plenty.report is not None
    assert little.report is not None
    assert little.report.peak_bytes <= 0.018 * 2**30 < plenty.report.peak_bytes


@pytest.mark.parametrize("index", ["ivf_flat", "ivf_pq", "hnsw"])
def test_duplicates_are_neighbors_and_the_row_itself_is_not(index: str) -> None:
    # More duplicates than candidates: the index may not even find the row itself.
    x = np.vstack([planted_rows(150), np.ones((150, 32), np.float32)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecallWarning)
        found = knn(x, 4, index=index)
    assert not (found.indices == np.arange(300)[:, None]).any()
    assert (found.indices[150:] >= 150).all()
    assert (found.squared_distances[150:] == 0).all()
    assert all(len(set(row)) == 4 for row in found.indices.tolist())


def test_rows_that_are_all_alike_have_neighbors() -> None:
    for index in ("exact", "ivf_flat", "ivf_pq", "hnsw"):
        found = knn(np.zeros((100, 8), np.float32), 3, index=index)
        assert not (found.indices == np.arange(100)[:, None]).any()
        assert (found.indices >= 0).all()
        assert (found.squared_distances == 0).all()


def test_k_up_to_all_other_rows_works_with_an_index() -> None:
    x = planted_rows(80)
    found = knn(x, 79, index="ivf_pq")
    np.testing.assert_array_equal(found.indices, brute_force(x, 79)[0])


def test_a_shortfall_is_a_warning_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphs.approximate.ApproximateSearch.most_effort", 1)
    message = (
        r"the ivf_pq search, recall 0\.\d+ ± 0\.\d+ of 1,000 rows is below the 0\.99 asked for; "
        r"use index ivf_flat, or index exact \(about 1 min on two cores\), or a lower target"
    )
    with pytest.warns(RecallWarning, match=message) as told:
        found = knn(planted_rows(1200), 5, index="ivf_pq", target_recall=0.99)
    assert told[0].filename == __file__
    assert found.report is not None
    assert found.report.recall < 0.99


def test_a_seed_fixes_an_approximate_search() -> None:
    x = planted_rows(1200)
    found, again = (knn(x, 5, index="ivf_pq", target_recall=0.7, seed=3) for _ in range(2))
    np.testing.assert_array_equal(found.indices, again.indices)
    assert found.report == again.report


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("metric", "l1", r"'metric' must be l2 or cosine \(got 'l1'\)"),
        ("backend", "annoy", r"'backend' must be one of faiss, sklearn, torch_cluster"),
        ("index", "annoy", r"'index' must be auto or one of exact, ivf_flat, ivf_sq8, ivf_pq"),
        ("target_recall", 0.0, r"'target_recall' must be in \(0, 1\] \(got 0.0\)"),
        ("target_recall", 1.1, r"'target_recall' must be in \(0, 1\] \(got 1.1\)"),
        ("device", "tpu", r"'device' must be auto, cpu or gpu \(got 'tpu'\)"),
    ],
)
def test_unknown_options_are_refused(option: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        knn(np.eye(4), 1, **{option: value})  # type: ignore[arg-type]


def test_other_backends_have_no_index() -> None:
    with pytest.raises(ValueError, match=r"auto or exact for backend 'sklearn' \(got 'hnsw'\)"):
        knn(np.eye(4), 1, backend="sklearn", index="hnsw")


@pytest.mark.skipif(faiss_has_gpu(), reason="this FAISS sees a GPU")
def test_an_absent_gpu_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a GPU build of FAISS"):
        knn(np.eye(4), 1, device="gpu")


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (5, 0)])
def test_anything_but_a_matrix_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"'x' must be a matrix \[N, D\]"):
        knn(np.zeros(shape), 1)
