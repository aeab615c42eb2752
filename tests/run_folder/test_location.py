from pathlib import Path

import pytest

from iciclegcn.config import DataConfig
from iciclegcn.run_folder.location import located, same_place, typed_in


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a run on ``photos`` was begun; now we are beside it."""
    for folder in ("begun/photos", "begun/sets", "here/photos"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "begun" / "y.csv").touch()
    (tmp_path / "begun" / "x.npz").touch()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "begun"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("photos", "{}/photos"),
        ("./photos", "{}/photos"),
        ("../here/photos", "{}/../here/photos"),
        ("x.npz:features", "{}/x.npz:features"),
        ("cifar10:sets", "cifar10:{}/sets"),
        ("cifar10", "cifar10"),
        ("digits", "digits"),
        ("/elsewhere/photos", "/elsewhere/photos"),
        ("elsewhere", "elsewhere"),  # it is nowhere: the user hears of what was typed
    ],
)
def test_a_path_is_found_from_where_it_was_typed(begun: Path, source: str, place: str) -> None:
    expected = place.format(begun).replace("begun/../", "")
    assert located(DataConfig(source), str(begun)).source == expected


def test_labels_are_found_too(begun: Path) -> None:
    data = DataConfig("photos", labels="y.csv")
    assert located(data, str(begun)).labels == str(begun / "y.csv")


def test_paths_stay_as_typed_where_they_were_typed_or_where_that_is_not_known(
    begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataConfig("photos", labels="y.csv")
    assert located(data, None) is data
    assert typed_in("y.csv", None) == "y.csv"
    monkeypatch.chdir(begun)
    assert located(data, str(begun)) is data
    assert typed_in("y.csv", str(begun)) == "y.csv"


def test_a_path_typed_here_means_the_same_there(begun: Path) -> None:
    assert typed_in("y.csv", str(begun)) == str(begun.parent / "here" / "y.csv")
    assert typed_in("/labels/y.csv", str(begun)) == "/labels/y.csv"


def test_two_ways_to_name_a_place(begun: Path) -> None:
    assert same_place("photos", "../here/photos/")
    assert same_place("cifar10:sets", f"cifar10:{begun.parent}/here/sets")
    assert not same_place("photos", str(begun / "photos"))
    assert not same_place("digits", "./digits")
    assert not same_place("cifar10", "cifar10:sets")
