"""Folders of clusters, on runs whose results are made by hand."""

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iciclegcn.config import Config, DataConfig
from iciclegcn.errors import UserError
from iciclegcn.monitor import NullMonitor
from iciclegcn.results.export import export_images, export_table, file_names
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.base import BaseRun
from iciclegcn.run_folder.manifest import Manifest

CLUSTERS = [0, 1, 0, 1]
SHADES = [10, 60, 110, 160]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    for number, shade in enumerate(SHADES):
        file = folder / ("even" if number % 2 == 0 else "odd") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 4), shade).save(file)
    return folder


PATHS = ["even/0.png", "even/2.png", "odd/1.png", "odd/3.png"]


def finished(path: Path, source: str, paths: list[str], kept: list[int] | None = None) -> BaseRun:
    """A run of two clusters, 0, 1, 0, 1, ... in the listing's order."""
    config = Config(num_clusters=2, data=DataConfig(source=source))
    path.mkdir()
    artefacts = RunArtefacts(path)
    artefacts.write_listing(paths, np.array(kept or range(len(paths))), [])
    soft = np.full((len(paths), 2), 0.25)
    soft[np.arange(len(paths)), np.arange(len(paths)) % 2] = 0.75
    artefacts.write_assignments(paths, soft)
    return BaseRun(path, config, Manifest.new(path / "manifest.json", 0), artefacts)


def tree(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_copies_are_not_put_among_the_images(photographs: Path, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", str(photographs), PATHS)
    with pytest.raises(UserError, match=r"lies among the images of .* give a folder outside"):
        export_images(run, photographs / "by_cluster")
    assert not (photographs / "by_cluster").exists()


def test_every_image_is_copied_into_the_folder_of_its_cluster(
    photographs: Path, tmp_path: Path
) -> None:
    run, to = finished(tmp_path / "run", str(photographs), PATHS), tmp_path / "deep" / "to"
    told: list[tuple[int, int]] = []

    class Monitor(NullMonitor):
        def progress(self, done: int, total: int, *, unit: str = "", **values: float) -> None:
            told.append((done, total))

    assert export_images(run, to, monitor=Monitor()) == (4, 2)
    assert tree(to) == ["cluster-0/0.png", "cluster-0/1.png", "cluster-1/2.png", "cluster-1/3.png"]
    copied, original = to / "cluster-1" / "2.png", photographs / "even" / "2.png"
    assert copied.read_bytes() == original.read_bytes()
    assert not copied.is_symlink()
    assert told[-1] == (4, 4)
    assert sorted(entry.name for entry in to.parent.iterdir()) == ["to"]


def test_links_lead_to_the_images(photographs: Path, tmp_path: Path) -> None:
    run, to = finished(tmp_path / "run", str(photographs), PATHS), tmp_path / "to"
    export_images(run, to, link=True)
    link = to / "cluster-0" / "1.png"
    assert link.is_symlink()
    assert link.resolve() == (photographs / "odd" / "1.png").resolve()


def test_skipped_files_shift_nothing(photographs: Path, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", str(photographs), [PATHS[0], PATHS[3]], [0, 3])
    export_images(run, tmp_path / "to")
    assert tree(tmp_path / "to") == ["cluster-0/0.png", "cluster-1/3.png"]
    original = photographs / "odd" / "3.png"
    assert (tmp_path / "to" / "cluster-1" / "3.png").read_bytes() == original.read_bytes()


def test_unassigned_images_have_a_folder_of_their_own(photographs: Path, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", str(photographs), PATHS)
    soft = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    run.artefacts.write_assignments(PATHS, soft, abstain=0.25)
    assert export_images(run, tmp_path / "to") == (4, 2)
    assert "unassigned/1.png" in tree(tmp_path / "to")


def test_members_of_an_archive_are_unpacked(photographs: Path, tmp_path: Path) -> None:
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in PATHS:
            file.write(photographs / path, path)
    run = finished(tmp_path / "run", str(archive), PATHS)
    export_images(run, tmp_path / "to")
    copied = tmp_path / "to" / "cluster-0" / "1.png"
    assert copied.read_bytes() == (photographs / "odd" / "1.png").read_bytes()
    with pytest.raises(UserError, match="'--link' needs images that are files"):
        export_images(run, tmp_path / "other", link=True)


@pytest.mark.parametrize("shape", [(3, 5, 5), (3, 5, 5, 3)])
def test_images_of_an_array_become_pictures(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "images.npy", pixels)
    run = finished(tmp_path / "run", str(tmp_path / "images.npy"), ["0", "1", "2"])
    export_images(run, tmp_path / "to")
    assert tree(tmp_path / "to") == ["cluster-0/0.png", "cluster-0/2.png", "cluster-1/1.png"]
    with Image.open(tmp_path / "to" / "cluster-0" / "2.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels[2])


def test_a_failure_leaves_nothing_behind(photographs: Path, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", str(photographs), PATHS)
    (photographs / "odd" / "3.png").unlink()
    (photographs / "odd" / "3.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(UserError, match=r"3\.png' is no longer there"):
        export_images(run, tmp_path / "to")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["photographs", "run"]


def test_other_images_are_refused(photographs: Path, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", str(photographs), PATHS)
    (photographs / "even" / "0.png").rename(photographs / "even" / "00.png")
    with pytest.raises(UserError, match="have changed since the run"):
        export_images(run, tmp_path / "to")


def test_a_folder_that_holds_something_is_refused(photographs: Path, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", str(photographs), PATHS)
    with pytest.raises(UserError, match="is there already"):
        export_images(run, photographs)
    (tmp_path / "empty").mkdir()
    export_images(run, tmp_path / "empty")
    assert len(tree(tmp_path / "empty")) == 4


def test_rows_of_features_have_no_images(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    run = finished(tmp_path / "run", str(tmp_path / "x.npy"), ["0", "1"])
    data = DataConfig(source=str(tmp_path / "x.npy"), kind="features")
    given = run._replace(config=Config(num_clusters=2, data=data))
    with pytest.raises(UserError, match="rows of features, of which there are no images"):
        export_images(given, tmp_path / "to")
    assert export_table(given, tmp_path / "to.csv") == (2, 2)


def test_the_table_is_that_of_the_run(photographs: Path, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", str(photographs), PATHS)
    assert export_table(run, tmp_path / "to.csv") == (4, 2)
    exported = (tmp_path / "to.csv").read_text(encoding="utf-8")
    assert exported == (run.path / "assignments.csv").read_text(encoding="utf-8")
    assert [row["cluster"] for row in csv.DictReader(exported.splitlines())] == ["0", "1"] * 2


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/1.png", "b/2.png"], ["1.png", "2.png"]),
        (["a/1.png", "b/1.png"], ["a__1.png", "b__1.png"]),
        (["A/x.png", "a/X.png"], ["0__A__x.png", "1__a__X.png"]),
        (["/data/../1.png", "c:\\1.png"], ["data__1.png", "c___1.png"]),
        (["a__b.png", "a/b.png", "c/b.png"], ["0__a__b.png", "1__a__b.png", "2__c__b.png"]),
        (
            ["a/b.png", "a__b.png", "c/b.png", "0__a__b.png"],
            ["0__a__b.png", "1__a__b.png", "2__c__b.png", "3__0__a__b.png"],
        ),
    ],
)
def test_no_two_files_share_a_name(paths: list[str], names: list[str]) -> None:
    assert file_names(paths) == names


def test_a_suffix_is_added_to_names() -> None:
    assert file_names(["0", "1"], ".png") == ["0.png", "1.png"]
