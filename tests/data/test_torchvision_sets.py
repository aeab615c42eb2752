import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets as torchvision_datasets

from iciclegcn.config import DataConfig
from iciclegcn.data.labels import read_labels
from iciclegcn.data.sources import open_source
from iciclegcn.data.torchvision_sets import TorchvisionSource
from iciclegcn.errors import UserError

Files = dict[str, bytes]
RNG = np.random.default_rng(0)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def install(monkeypatch: pytest.MonkeyPatch, loader: Any, root: Path, files: Files) -> None:
    """Write a set's files and tell torchvision their checksums."""
    folder = root / loader.base_folder
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    for table in ("train_list", "test_list"):
        names = [row[0] for row in getattr(loader, table)]
        monkeypatch.setattr(loader, table, [[name, md5(files[name])] for name in names])
    if hasattr(loader, "meta"):
        meta = loader.meta | {"md5": md5(files[loader.meta["filename"]])}
        monkeypatch.setattr(loader, "meta", meta)


def cifar_images(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return RNG.integers(0, 256, (count, 3, 32, 32), np.uint8)


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Any, list[int]]:
    """Two images in each of the six batches."""
    images, y = cifar_images(12), [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    files = {
        name: pickle.dumps(
            {"data": images[2 * i : 2 * i + 2].reshape(2, -1), "labels": y[2 * i : 2 * i + 2]}
        )
        for i, name in enumerate(names)
    }
    files["batches.meta"] = pickle.dumps({"label_names": [f"class{c}" for c in range(10)]})
    install(monkeypatch, torchvision_datasets.CIFAR10, tmp_path, files)
    return tmp_path, images, y


@pytest.mark.parametrize("named", ["", "cifar-10-batches-py"])
def test_cifar10_is_train_then_test(cifar10: tuple[Path, Any, list[int]], named: str) -> None:
    root, images, y = cifar10
    config = DataConfig(f"cifar10:{root / named}")
    source = open_source(config)
    assert len(source) == 12
    assert source.paths[9:] == ["train/9", "test/0", "test/1"]
    for index in range(12):
        np.testing.assert_array_equal(source.read(index, 32, 3), images[index])
    labels = read_labels(source, config, np.arange(12))
    assert labels is not None
    assert labels.y.tolist() == y
    assert labels.class_names[9] == "class9"


def test_root_comes_from_the_environment(
    cifar10: tuple[Path, Any, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICICLEGCN_DATA", str(cifar10[0]))
    assert len(open_source(DataConfig("cifar10"))) == 12


def test_pixels_are_let_go_and_loaded_again(cifar10: tuple[Path, Any, list[int]]) -> None:
    root, images, _ = cifar10
    source = open_source(DataConfig(f"cifar10:{root}"))
    assert isinstance(source, TorchvisionSource)
    source.fingerprint()
    assert source._splits is None  # neither opening nor the fingerprint loads
    source.read(0, 32, 3)
    source.release()
    assert source._splits is None
    np.testing.assert_array_equal(source.read(11, 32, 3), images[11])


def test_fingerprint_follows_the_files(cifar10: tuple[Path, Any, list[int]]) -> None:
    root = cifar10[0]
    before = open_source(DataConfig(f"cifar10:{root}")).fingerprint()
    assert open_source(DataConfig(f"cifar10:{root}")).fingerprint() == before
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(b"other")
    assert open_source(DataConfig(f"cifar10:{root}")).fingerprint() != before


def test_damaged_files_are_refused(cifar10: tuple[Path, Any, list[int]]) -> None:
    root = cifar10[0]
    (root / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"cut")
    source = open_source(DataConfig(f"cifar10:{root}"))
    with pytest.raises(UserError, match=r"incomplete or damaged .* remove that folder"):
        source.read(0, 32, 3)


def test_cifar100_is_scored_on_its_superclasses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = cifar_images(5)
    parts = {"train": (images[:3], [99, 0, 50], [19, 4, 7]), "test": (images[3:], [1, 2], [0, 14])}
    files = {
        name: pickle.dumps(
            {"data": x.reshape(len(x), -1), "fine_labels": fine, "coarse_labels": coarse}
        )
        for name, (x, fine, coarse) in parts.items()
    }
    coarse_names = [f"super{c}" for c in range(20)]
    meta = {"fine_label_names": ["fine"] * 100, "coarse_label_names": coarse_names}
    files["meta"] = pickle.dumps(meta)
    install(monkeypatch, torchvision_datasets.CIFAR100, tmp_path, files)
    config = DataConfig(f"cifar100:{tmp_path}")
    source = open_source(config)
    np.testing.assert_array_equal(source.read(4, 32, 3), images[4])
    labels = read_labels(source, config, np.arange(5))
    assert labels is not None
    assert labels.y.tolist() == [19, 4, 7, 0, 14]
    assert labels.class_names == coarse_names


def test_stl10_is_train_then_test_the_right_way_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = RNG.integers(0, 256, (3, 3, 96, 96), np.uint8)
    stored = images.transpose(0, 1, 3, 2)  # the format is column-major, classes from 1
    files = {
        "train_X.bin": stored[:2].tobytes(),
        "train_y.bin": bytes([10, 1]),
        "test_X.bin": stored[2:].tobytes(),
        "test_y.bin": bytes([4]),
        "unlabeled_X.bin": stored[1:].tobytes(),
        "class_names.txt": b"\n".join(b"c%d" % c for c in range(10)),
    }
    install(monkeypatch, torchvision_datasets.STL10, tmp_path, files)
    config = DataConfig(f"stl10:{tmp_path}")
    source = open_source(config)
    assert source.paths == ["train/0", "train/1", "test/0"]
    for index in range(3):
        np.testing.assert_array_equal(source.read(index, 96, 3), images[index])
    labels = read_labels(source, config, np.arange(3))
    assert labels is not None
    assert labels.y.tolist() == [9, 0, 3]
    assert labels.class_names[3] == "c3"
    unlabelled = DataConfig(f"stl10-unlabelled:{tmp_path}")
    more = open_source(unlabelled)
    assert more.paths == ["unlabeled/0", "unlabeled/1"]
    for index in range(2):
        np.testing.assert_array_equal(more.read(index, 96, 3), images[index + 1])
    assert read_labels(more, unlabelled, np.arange(2)) is None
    assert more.fingerprint() != source.fingerprint()


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10"])
def test_failed_download_says_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    loader = getattr(torchvision_datasets, name.upper())
    asked = []

    def download(self: Any) -> None:
        print("Downloading")
        asked.append(self.root)
        raise OSError("no network")

    monkeypatch.setattr(loader, "download", download)
    monkeypatch.setenv("ICICLEGCN_DATA", str(tmp_path / "sets"))
    with pytest.raises(UserError, match=rf"no network.* unpack http.* as {name}:FOLDER"):
        open_source(DataConfig(name))
    assert asked == [str(tmp_path / "sets")]
    assert capsys.readouterr().out == ""  # stdout is for results


def test_files_that_are_there_are_not_downloaded(
    cifar10: tuple[Path, Any, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(self: Any) -> None:
        raise OSError("asked for the network")

    monkeypatch.setattr(torchvision_datasets.CIFAR10, "download", download)
    assert len(open_source(DataConfig(f"cifar10:{cifar10[0]}"))) == 12
