import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config import DataConfig
from iciclegcn.data.archives import ZipSource
from iciclegcn.data.arrays import ArraySource
from iciclegcn.data.files import FileSource
from iciclegcn.data.sources import open_source
from iciclegcn.errors import UserError

SaveImage = Callable[..., Path]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_image: SaveImage) -> Path:
    """The current folder, with one source of every kind."""
    monkeypatch.chdir(tmp_path)
    image = save_image(tmp_path / "photos" / "a.png")
    save_image(tmp_path / "digits" / "b.png")
    with zipfile.ZipFile("photos.ZIP", "w") as archive:
        archive.write(image, "a.png")
    Path("list.txt").write_text("photos/a.png\n")
    Path("list.csv").write_text("path\nphotos/a.png\n")
    np.save("x.npy", np.zeros((2, 4, 4), np.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "kind", "paths"),
    [
        ("photos", FileSource, ["a.png"]),
        ("photos/", FileSource, ["a.png"]),
        ("photos.ZIP", ZipSource, ["a.png"]),
        ("list.txt", FileSource, ["photos/a.png"]),
        ("list.csv", FileSource, ["photos/a.png"]),
        ("x.npy", ArraySource, ["0", "1"]),
        ("./digits", FileSource, ["b.png"]),
    ],
)
def test_each_kind_of_path_opens(here: Path, typed: str, kind: type, paths: list[str]) -> None:
    source = open_source(DataConfig(typed))
    assert type(source) is kind
    assert source.paths == paths
    assert source.name == typed
    assert source.dataset is None


def test_name_wins_over_a_folder_called_the_same(here: Path) -> None:
    source = open_source(DataConfig("digits"))
    assert source.dataset is not None
    assert len(source) == 1797


def test_home_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_image: SaveImage
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save_image(tmp_path / "photos" / "a.png")
    assert open_source(DataConfig("~/photos")).paths == ["a.png"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("cifar-10", "did you mean 'cifar10'"),
        ("photo", "did you mean 'photos'"),
        ("nowhere/at/all", "the names are digits, mnist5k"),
        ("", "neither a path nor"),
        ("x" * 5000, "neither a path nor"),
        ("null\0", "neither a path nor"),
        ("~nobody-of-that-name/x", "neither a path nor"),
        ("photos/a.png", "give their folder"),
    ],
)
def test_mistakes_are_explained(here: Path, typed: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_source(DataConfig(typed))
