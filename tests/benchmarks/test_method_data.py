import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks import method_data
from benchmarks.method_data import data_name, open_data, pixel_rows


def test_digits_are_the_packages_own_in_their_order(tmp_path: Path) -> None:
    data = open_data("digits", tmp_path)
    truth = load_digits()
    assert (data.name, data.arguments, data.num_clusters) == ("digits", ("digits",), 10)
    assert data.images.shape == (1797, 1, 8, 8)
    assert data.y.tolist() == truth.target.tolist()
    # Ink of 16 is white, 255.
    assert np.abs(data.images[:, 0] - truth.images * (255 / 16)).max() <= 1


def test_a_zip_of_classes_gives_the_same_sample_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_data, "CIFAR_IMAGES", 4)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for number in range(6):
            stream = io.BytesIO()
            Image.new("RGB", (32, 32), (40 * number, 0, 0)).save(stream, "PNG")
            label = "cat" if number % 2 else "dog"
            archive.writestr(f"train/{label}/{number}.png", stream.getvalue())
    first, again = (open_data(str(tmp_path / "c.zip"), tmp_path / "work") for _ in range(2))
    assert first.name == data_name(str(tmp_path / "c.zip")) == "cifar10_10k"
    assert first.images.shape == (4, 3, 32, 32)
    assert np.array_equal(first.images, again.images)
    # The colour tells the class: even numbers are dogs.
    numbers = first.images[:, 0, 0, 0] // 40
    assert len({(number % 2, label) for number, label in zip(numbers, first.y, strict=True)}) == 2
    assert first.arguments[1:4] == ("--num-clusters", "10", "--labels")


def test_pixel_rows_are_shares_of_white() -> None:
    images = np.array([[[[0, 51], [102, 255]]]], dtype=np.uint8)
    assert pixel_rows(images).tolist() == [pytest.approx([0, 0.2, 0.4, 1])]
