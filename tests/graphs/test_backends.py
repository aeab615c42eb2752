import sys

import numpy as np
import pytest

from graphs.backends import Candidates, faiss_cpu, sklearn_brute, torch_cluster_knn


@pytest.mark.parametrize("search", [faiss_cpu, sklearn_brute])
def test_candidates_are_the_nearest_rows(search: Candidates) -> None:
    x = np.array([[0.0], [1.0], [3.0], [7.0]], dtype=np.float32)
    found = search(x, 3)
    assert found.dtype == np.int64
    assert [set(row) for row in found.tolist()] == [{0, 1, 2}, {0, 1, 2}, {0, 1, 2}, {1, 2, 3}]


def test_an_absent_torch_cluster_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_cluster", None)
    with pytest.raises(ImportError, match="pip install --no-build-isolation torch-cluster"):
        torch_cluster_knn(np.eye(3, dtype=np.float32), 2)
