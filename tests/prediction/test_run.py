"""What finished runs say of new images: right, in order, and the same however they are given."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from iciclegcn import Run
from iciclegcn.config import Config
from iciclegcn.data.views import evaluation_view
from iciclegcn.errors import UserError
from iciclegcn.methods.new_nodes import attach_and_assign
from iciclegcn.monitor import NullMonitor
from iciclegcn.prediction import run as prediction
from iciclegcn.prediction.feature_network import read_feature_network, read_mgcn
from iciclegcn.run_folder.base import open_base
from iciclegcn.run_folder.graphs import read_neighbors
from iciclegcn.runtime import Runtime
from tests.finished_runs import gcc_run, icicle_run, new_digits

NEW = new_digits()


@pytest.fixture(scope="module")
def icicle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return icicle_run(tmp_path_factory.mktemp("icicle"))


@pytest.fixture(scope="module")
def gcc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gcc_run(tmp_path_factory.mktemp("gcc"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The new digits as files, sorted as in the array."""
    folder = tmp_path / "new"
    folder.mkdir()
    for number, pixels in enumerate(NEW):
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def expected(path: Path) -> np.ndarray:
    """Probabilities of the new digits, from the run's files and the functions underneath."""
    run = open_base(path)
    with torch.no_grad():
        views = evaluation_view(torch.from_numpy(NEW[:, None]), 8)
        x = read_feature_network(run)(views).numpy()
    return attach_and_assign(
        x,
        run.artefacts.read_array("features"),
        read_neighbors(run.artefacts),
        read_mgcn(run.artefacts, run.config),
        run.config,
        Runtime(0, torch.device("cpu"), "fp32"),
    ).numpy()


def test_an_icicle_run_joins_new_images_to_its_graph(icicle: Path) -> None:
    found = Run.load(icicle).predict(NEW)
    np.testing.assert_allclose(found.probabilities, expected(icicle), atol=1e-6)
    np.testing.assert_array_equal(found.clusters, found.probabilities.argmax(axis=1))
    np.testing.assert_allclose(found.confidences, found.probabilities.max(axis=1))
    assert found.paths == [str(number) for number in range(len(NEW))]
    assert set(found.agreements) <= {0.0, 0.5, 1.0}  # two streams
    assert found.skipped == []


def test_a_classifier_says_of_its_own_images_what_it_said(gcc: Path) -> None:
    run = Run.load(gcc)
    known, found = run.artefacts.read_assignments(), run.predict(str(gcc.parent / "images.npy"))
    assert found.paths == known.paths
    np.testing.assert_array_equal(found.clusters, known.clusters)
    np.testing.assert_allclose(found.confidences, known.confidences, atol=1e-5)
    assert np.isnan(found.agreements).all()  # one network


def test_however_images_come_they_get_the_same_clusters(icicle: Path, pictures: Path) -> None:
    run = Run.load(icicle)
    files = sorted(pictures.iterdir())
    with zipfile.ZipFile(pictures.parent / "new.zip", "w") as archive:
        for file in files:
            archive.write(file, file.name)
    listing = pictures.parent / "list.txt"
    listing.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")
    array = run.predict(NEW)
    for new in (pictures, str(pictures.parent / "new.zip"), listing, files, list(map(str, files))):
        found = run.predict(new)
        np.testing.assert_allclose(found.probabilities, array.probabilities, atol=1e-6)
        assert [Path(path).name for path in found.paths] == [file.name for file in files]
    one = run.predict(files[5])
    assert one.paths == [str(files[5])]
    np.testing.assert_allclose(one.probabilities, array.probabilities[5:6], atol=1e-5)


def test_images_are_decoded_as_the_run_s_were(icicle: Path, pictures: Path) -> None:
    run = Run.load(icicle)
    large = Image.fromarray(NEW[3]).resize((64, 64), Image.Resampling.NEAREST).convert("RGB")
    large.save(pictures / "large.png")
    found = run.predict(pictures / "large.png")
    assert run.predict(NEW[3:4]).clusters.tolist() == found.clusters.tolist()


def test_the_batch_changes_nothing(icicle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Run.load(icicle).predict(NEW)
    monkeypatch.setattr(prediction, "BATCH_SIZE", 5)
    parts = Run.load(icicle).predict(NEW)
    assert parts.paths == whole.paths
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-5)


def test_unreadable_images_are_left_out_and_listed(icicle: Path, pictures: Path) -> None:
    run = Run.load(icicle)
    (pictures / "03.png").write_bytes(b"no image")
    (pictures / "99.png").write_bytes(b"")
    found = run.predict(pictures)
    assert [path for path, _ in found.skipped] == ["03.png", "99.png"]
    assert found.skipped[1][1] == "the file is empty"
    kept = np.delete(np.arange(len(NEW)), 3)
    assert found.paths == [f"{number:02}.png" for number in kept]
    np.testing.assert_allclose(found.probabilities, run.predict(NEW).probabilities[kept], atol=1e-5)
    with pytest.raises(UserError, match=r"'03\.png' is unreadable .*leave out --strict"):
        run.predict(pictures, strict=True)
    with pytest.raises(UserError, match=r"none of the 2 images is readable.*03\.png"):
        run.predict([pictures / "03.png", pictures / "99.png"])


def test_unreadable_images_at_the_end_of_the_batches_are_listed_too(
    icicle: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "BATCH_SIZE", len(NEW))
    (pictures / "99.png").write_bytes(b"")
    found = Run.load(icicle).predict(pictures)
    assert len(found.paths) == len(NEW)
    assert [path for path, _ in found.skipped] == ["99.png"]


def test_predictions_go_to_a_file_a_batch_at_a_time(
    icicle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "BATCH_SIZE", 5)
    run, out = Run.load(icicle), tmp_path / "deep" / "new.csv"
    told: list[tuple[int, int, str]] = []

    class Monitor(NullMonitor):
        def progress(self, done: int, total: int, *, unit: str = "", **values: float) -> None:
            told.append((done, total, unit))

    summary = run.predict_to(NEW, out, monitor=Monitor())
    whole = run.predict(NEW)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "path,cluster,confidence,margin,agreement"
    assert [line.split(",")[:2] for line in lines[1:]] == [
        [str(number), str(cluster)] for number, cluster in enumerate(whole.clusters)
    ]
    assert told == [(5, 12, "image"), (10, 12, "image"), (12, 12, "image")]
    assert summary.sizes.tolist() == np.bincount(whole.clusters, minlength=4).tolist()
    assert (summary.predicted, summary.unassigned, summary.skipped) == (12, 0, [])
    assert summary.seconds > 0


def test_a_run_that_left_images_unassigned_leaves_as_uncertain_ones_so_too(
    icicle: Path, tmp_path: Path
) -> None:
    run = Run.load(icicle)
    certain = run.predict(NEW).confidences
    run._floor = float(np.sort(certain)[5])
    found = run.predict(NEW)
    np.testing.assert_array_equal(found.clusters == -1, certain <= run._floor)
    assert run.predict_to(NEW, str(tmp_path / "new.csv")).unassigned == int(
        (found.clusters == -1).sum()
    )


def test_as_uncertain_is_what_the_run_left_out_before_it_was_rounded(
    icicle: Path, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(icicle, tmp_path / "run"))
    artefacts = Run.load(copied).artefacts
    soft = np.array([[0.6123454, 0.3876546], [0.6123464, 0.3876536]])
    artefacts.write_assignments(["a", "b"], soft, abstain=0.5)
    assert soft[0, 0] <= Run.load(copied)._floor < soft[1, 0]


def test_prediction_leaves_global_generators_and_the_run_alone(icicle: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in icicle.rglob("*")}
    torch.manual_seed(3)
    np.random.seed(3)
    Run.load(icicle).predict(NEW)
    drawn = torch.rand(1).item(), np.random.random()
    torch.manual_seed(3)
    np.random.seed(3)
    assert drawn == (torch.rand(1).item(), np.random.random())
    assert {file: file.stat().st_mtime_ns for file in icicle.rglob("*")} == before


def test_device_and_precision_may_differ_from_the_run_s(icicle: Path) -> None:
    assert Run.load(icicle).config.precision == "fp32"
    rough = Run.load(icicle, device="cpu", precision="bf16")
    assert (rough.config.device, rough.config.precision) == ("cpu", "bf16")
    exact = Run.load(icicle).predict(NEW).probabilities
    assert not np.array_equal(rough.predict(NEW).probabilities, exact)
    np.testing.assert_allclose(rough.predict(NEW).probabilities, exact, atol=0.05)
    with pytest.raises(UserError, match="precision"):
        Run.load(icicle, precision="fp8")


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        Run.load(tmp_path)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ([], "the list of paths is empty"),
        ("nowhere", "'nowhere' is neither a path nor"),
        (np.zeros((3, 4)), r"must hold images \[N, H, W\]"),
    ],
)
def test_what_is_no_images_is_refused(new: object, message: str, icicle: Path) -> None:
    with pytest.raises(UserError, match=message):
        Run.load(icicle).predict(new)  # type: ignore[arg-type]


def test_config_is_the_run_s(icicle: Path) -> None:
    run = Run.load(icicle)
    assert isinstance(run.config, Config)
    assert (run.path, run.config.num_clusters) == (icicle, 4)
