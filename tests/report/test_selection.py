import numpy as np
import pytest

from iciclegcn.report.selection import certainty, pick


def test_certainty_reads_the_own_and_the_second_cluster() -> None:
    soft = np.array([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    sure = certainty(soft, np.array([0, 1, -1]))
    np.testing.assert_allclose(sure.confidence, [0.5, 0.8, 0.5])
    assert sure.second.tolist() == [2, 0, 1]
    np.testing.assert_allclose(sure.second_probability, [0.3, 0.1, 0.3])
    assert soft[0, 0] == 0.5  # left as it was


def test_the_own_cluster_need_not_be_the_most_probable_one() -> None:
    sure = certainty(np.array([[0.4, 0.6]]), np.array([0]))
    assert (sure.confidence[0], sure.second[0]) == (0.4, 1)


def test_picks_are_the_telling_images() -> None:
    # One cluster of four along one direction; the third row points elsewhere.
    x = np.array([[1, 0], [2, 0.1], [0, 1], [3, 0.2]], np.float32)
    soft = np.array([[0.9, 0.1, 0.0], [0.6, 0.2, 0.2], [0.8, 0.0, 0.2], [0.7, 0.3, 0.0]])
    clusters = np.zeros(4, np.int64)
    found = pick(x, clusters, certainty(soft, clusters), 3, most=2)[0]
    assert found.uncertain.tolist() == [1, 3]
    assert found.borderline.tolist() == [3, 1]  # .3, then the first of two with .2
    # The confident half is rows 0 and 2; row 0 lies nearer the middle.
    assert found.typical.tolist() == [0, 2]


def test_empty_clusters_and_the_unassigned_give_nothing() -> None:
    clusters = np.array([0, 0, -1])
    soft = np.full((3, 2), 0.5)
    picks = pick(np.ones((3, 2)), clusters, certainty(soft, clusters), 2, most=5)
    assert [len(kind) for kind in picks[1]] == [0, 0, 0]
    assert all(2 not in kind for each in picks for kind in each)


def test_rows_of_zeros_are_no_trouble() -> None:
    clusters = np.zeros(2, np.int64)
    picks = pick(np.zeros((2, 3)), clusters, certainty(np.full((2, 2), 0.5), clusters), 1, 2)
    assert picks[0].typical.tolist() == [0, 1]


@pytest.mark.parametrize("block", [1, 3, 100])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x, soft = random.normal(size=(20, 4)), random.dirichlet(np.ones(3), 20)
    clusters = soft.argmax(axis=1)
    sure = certainty(soft, clusters)
    expected = pick(x, clusters, sure, 3, 4)
    monkeypatch.setattr("iciclegcn.report.selection._BLOCK", block)
    found = pick(x, clusters, sure, 3, 4)
    for one, other in zip(expected, found, strict=True):
        assert [kind.tolist() for kind in one] == [kind.tolist() for kind in other]
