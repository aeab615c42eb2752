from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.new_images import figures_of, prepare, summarize


def row(acc: float) -> dict[str, float]:
    return {"acc": acc, "acc_matched_before": acc - 0.1, "nmi": 0.5, "ari": 0.25}


def test_figures_match_here_and_where_the_clusters_were_made() -> None:
    # Cluster 0 stood for class 1; of the new images one of three is right by that, two by the best.
    before = np.array([1, 1, 1, 0]), np.array([0, 0, 0, 1])
    found = figures_of(np.array([0, 0, 1]), np.array([0, 0, 0]), *before)
    assert found["acc"] == pytest.approx(0.6667)
    assert found["acc_matched_before"] == pytest.approx(0.3333)


@pytest.mark.parametrize(("predicted", "holds"), [(0.49, True), (0.47, False)])
def test_the_claim_is_two_points_of_the_mean(predicted: float, holds: bool) -> None:
    seeds = [
        {"together": row(0.5), "predicted": row(predicted - 0.01), "nearest": row(0.3)},
        {"together": row(0.5), "predicted": row(predicted + 0.01), "nearest": row(0.3)},
    ]
    found = summarize(seeds)
    assert found["within_two_points"] is holds
    assert found["predicted"]["acc"]["mean"] == predicted
    assert found["predicted"]["acc"]["std"] == pytest.approx(0.0141)
    assert found["acc_short_of_together"] == pytest.approx(0.5 - predicted)


def test_images_are_split_by_their_folders(tmp_path: Path) -> None:
    for part, label, shade in (("train", "a", 10), ("train", "b", 20), ("test", "b", 30)):
        folder = tmp_path / "set" / part / label
        folder.mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (32, 32), (shade + number,) * 3).save(folder / f"{number}.png")
    data = prepare(str(tmp_path / "set"), tmp_path / "out", 4, None)
    train, test = (np.load(data.folder / f"{name}.npy") for name in ("train", "test"))
    assert (train.shape, test.shape) == ((4, 32, 32, 3), (3, 32, 32, 3))
    assert (train[:, 0, 0, 0] // 10 - 1).tolist() == data.y_train.tolist()
    assert test[:, 0, 0, 0].tolist() == [30, 31, 32]
    both = np.load(data.folder / "all.npy")
    np.testing.assert_array_equal(both, np.concatenate([train, test]))
    assert len(list((data.folder / "test").iterdir())) == 3
    labels = (data.folder / "all.csv").read_text(encoding="utf-8").splitlines()
    truth = [*data.y_train, *data.y_test]
    assert labels == ["path,label", *(f"{number},{label}" for number, label in enumerate(truth))]
    with pytest.raises(SystemExit, match="holds another number of train images"):
        prepare(str(tmp_path / "set"), tmp_path / "out", 5, None)
