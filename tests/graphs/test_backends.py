import sys

import numpy as np
import pytest

from graphs.backends import Backend, choose_backend, faiss_cpu, sklearn_brute, torch_cluster_knn

LINE = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)


@pytest.mark.parametrize("search", [faiss_cpu, sklearn_brute])
def test_what_is_found_is_the_nearest_rows_with_squared_distances(search: Backend) -> None:
    distances, found = search(LINE[1:3], LINE, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [[1, 0, 2], [2, 1, 0]]
    np.testing.assert_allclose(distances, [[0, 1, 4], [0, 4, 9]], atol=1e-6)


def test_torch_cluster_finds_the_same() -> None:
    pytest.importorskip("torch_cluster", reason="the optional extra 'cluster' is not installed")
    distances, found = torch_cluster_knn(LINE[1:3], LINE, 3)
    assert [set(row) for row in found.tolist()] == [{0, 1, 2}, {0, 1, 2}]
    np.testing.assert_allclose(distances, (LINE[found, 0] - LINE[1:3]) ** 2)


def test_an_absent_torch_cluster_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_cluster", None)
    with pytest.raises(ImportError, match="pip install --no-build-isolation torch-cluster"):
        torch_cluster_knn(LINE, LINE, 2)


def test_names_choose_the_search() -> None:
    assert choose_backend("faiss", "cpu") is faiss_cpu
    assert choose_backend("sklearn", "auto") is sklearn_brute
    assert choose_backend("torch_cluster", "auto") is torch_cluster_knn
