import subprocess
import sys
from pathlib import Path

import pytest

from iciclegcn.data.named import (
    IMAGENET10,
    IMAGENET_DOGS,
    NAMED,
    closest_name,
    dataset_root,
    find_named,
)


def test_numbers_of_clusters_are_the_literatures() -> None:
    assert {name: dataset.num_clusters for name, dataset in NAMED.items()} == {
        "digits": 10,
        "mnist5k": 10,
        "cifar10": 10,
        "cifar100": 20,
        "stl10": 10,
        "stl10-unlabelled": 10,
        "imagenet10": 10,
        "imagenet-dogs": 15,
        "tiny-imagenet": 200,
    }


def test_imagenet_subsets_have_one_folder_a_cluster() -> None:
    assert len(set(IMAGENET10)) == NAMED["imagenet10"].num_clusters
    assert len(set(IMAGENET_DOGS)) == NAMED["imagenet-dogs"].num_clusters
    assert set(IMAGENET10) & set(IMAGENET_DOGS) == {"n02085936"}


def test_digits_are_never_mirrored() -> None:
    assert [name for name, dataset in NAMED.items() if not dataset.flip] == ["digits", "mnist5k"]


@pytest.mark.parametrize("source", ["cifar10", "cifar10:", "cifar10:/somewhere/else"])
def test_names_are_found_with_and_without_a_root(source: str) -> None:
    assert find_named(source) is NAMED["cifar10"]


@pytest.mark.parametrize("source", ["./cifar10", "cifar10/", "a/cifar10:b", "Cifar10", ""])
def test_paths_are_not_names(source: str) -> None:
    assert find_named(source) is None


def test_root_is_the_given_one_then_the_environments_then_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ICICLEGCN_DATA", "/sets")
    assert dataset_root("cifar10:/mine") == Path("/mine")
    assert dataset_root("cifar10") == Path("/sets")
    monkeypatch.delenv("ICICLEGCN_DATA")
    assert dataset_root("cifar10") == Path("data")
    assert dataset_root("cifar10:~/x") == Path.home() / "x"


@pytest.mark.parametrize(
    ("typed", "meant"), [("CIFAR-10", "cifar10"), ("digit", "digits"), ("holiday-photos", None)]
)
def test_closest_name(typed: str, meant: str | None) -> None:
    assert closest_name(typed) == meant


def test_metadata_and_sources_load_nothing_heavy() -> None:
    program = (
        "import sys, iciclegcn.data.named, iciclegcn.data.sources, iciclegcn.data.labels;"
        "sys.exit(bool({'torch', 'torchvision', 'sklearn', 'mlxtend'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
