from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config import DataConfig
from iciclegcn.errors import UserError
from iciclegcn.results.truth import read_truth
from iciclegcn.run_folder.artefacts import RunArtefacts
from tests.tiny_run import write_images, write_labels


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    images = write_images(tmp_path / "images.npy", 120)
    labels = write_labels(tmp_path / "y.csv")
    return DataConfig(str(images), labels=str(labels))


def test_the_truth_is_that_of_the_images_the_run_kept(data: DataConfig, tmp_path: Path) -> None:
    kept = np.array([1, 3, 15])
    RunArtefacts(tmp_path).write_listing([str(index) for index in kept], kept, [])
    found = read_truth(tmp_path, data)
    assert found is not None
    assert [found.class_names[label] for label in found.y] == ["1", "3", "5"]


def test_without_labels_there_is_no_truth(data: DataConfig, tmp_path: Path) -> None:
    RunArtefacts(tmp_path).write_listing(["0"], np.array([0]), [])
    assert read_truth(tmp_path, DataConfig(data.source)) is None


@pytest.mark.parametrize(("path", "position"), [("0", 120), ("7", 0)])
def test_other_images_are_refused(
    data: DataConfig, tmp_path: Path, path: str, position: int
) -> None:
    RunArtefacts(tmp_path).write_listing([path], np.array([position]), [])
    with pytest.raises(UserError, match=r"the images of .* have changed since the run"):
        read_truth(tmp_path, data)
