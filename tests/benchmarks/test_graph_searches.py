from pathlib import Path

import numpy as np
import pytest

from benchmarks.graph_searches import SIDES, measure, recall, true_neighbors, without_self
from tests.graphs.planted import brute_force, planted_rows


@pytest.fixture
def features(tmp_path: Path) -> Path:
    np.save(tmp_path / "features.npy", planted_rows(300))
    return tmp_path / "features.npy"


def test_the_row_itself_is_dropped_wherever_it_stands() -> None:
    found = np.array([[0, 2, 1], [2, 1, 0], [1, 0, 3]])
    assert without_self(found).tolist() == [[2, 1], [2, 0], [1, 0]]


def test_recall_is_the_share_of_true_neighbors() -> None:
    indices = np.array([[1, 2], [0, 2], [0, 1]])
    truth = np.array([[2, 1], [2, 3]])
    assert recall(indices, np.array([0, 1]), truth) == 0.75


def test_the_sample_s_neighbors_are_exact_and_kept(features: Path) -> None:
    sample, found = true_neighbors(features, 5)
    truth, _ = brute_force(planted_rows(300), 5)
    np.testing.assert_array_equal(found, truth[sample])
    np.save(features, np.zeros((300, 32), np.float32))
    np.testing.assert_array_equal(true_neighbors(features, 5)[1], found)


# pynndescent compiles for half a minute first.
@pytest.mark.parametrize("side", [side for side in SIDES if side != "pynndescent"])
def test_every_side_finds_the_neighbors(side: str, features: Path) -> None:
    if side == "hnswlib":
        pytest.importorskip(side, reason="hnswlib is a package of the benchmarks alone")
    found = measure(side, features, 5)
    assert found["recall"] >= 0.94
    assert found["seconds"] > 0
    assert found["peak_mib"] >= 0
    assert found.get("search", {}).get("kind") == {
        "ours": "exact", "ours_approximate": "ivf_pq"
    }.get(side)  # fmt: skip
