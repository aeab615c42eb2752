import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config.values import build_config
from iciclegcn.errors import UserError
from iciclegcn.pipeline import run, run_stage
from iciclegcn.report.figure_files import is_figure_name
from iciclegcn.report.write import write_report
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.folder import RunFolder
from tests.tiny_run import (
    tiny_config,
    tiny_gcc,
    tiny_on_a_run,
    write_images,
    write_labels,
)

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images and a finished run without labels."""
    folder = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICICLEGCN_CACHE", str(folder / "cache"))
        run(tiny_config(write_images(folder / "images.npy")), folder / "run")
    return folder


@pytest.fixture
def finished(plain: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be changed."""
    return Path(shutil.copytree(plain / "run", tmp_path / "run"))


def test_every_run_ends_with_a_report(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images.npy")
    labels = write_labels(tmp_path / "labels.csv")
    out = run(tiny_config(images, data__labels=str(labels)), tmp_path / "run")
    html = (out / "report.html").read_text(encoding="utf-8")
    scores = RunArtefacts(out).read_metrics()["heads"]["output"]
    assert f"{scores['acc']:.1%}" in html
    assert "IcicleGCN sorted 120 images into 4 clusters" in html
    names = {file.stem for file in (out / "figures").glob("*.svg")}
    assert {
        *("cluster_sizes", "confidence", "map", "confusion", "reliability", "risk_coverage"),
        *("montage_typical", "montage_uncertain", "montage_borderline"),
        *("pretrain_loss", "cluster_loss", "cluster_changed", "degrees_k1", "degrees_k3"),
    } <= names
    assert all(map(is_figure_name, names))
    for file in (out / "figures").glob("*.svg"):
        assert ET.parse(file).getroot().tag == f"{SVG}svg"


def test_the_report_of_a_run_is_the_same_bytes_again(finished: Path) -> None:
    before = {file.name: file.read_bytes() for file in (finished / "figures").iterdir()}
    page = (finished / "report.html").read_bytes()
    write_report(finished)
    assert (finished / "report.html").read_bytes() == page
    after = {file.name: file.read_bytes() for file in (finished / "figures").iterdir()}
    assert after == before


def test_labels_that_come_later_reach_the_report(finished: Path, tmp_path: Path) -> None:
    assert "id='truth'" not in (finished / "report.html").read_text(encoding="utf-8")
    run_stage("evaluate", finished, labels=str(write_labels(tmp_path / "labels.csv")))
    assert "id='truth'" in (finished / "report.html").read_text(encoding="utf-8")


def test_figures_of_clusters_that_are_no_more_are_not_shown(finished: Path) -> None:
    with RunFolder.open(finished) as folder:
        folder.set_abstain(0.1)
    assert RunArtefacts(finished).read_metrics()["cluster_sizes"]  # still there, of those before
    with pytest.raises(UserError, match="has not been evaluated yet; run 'iciclegcn evaluate"):
        write_report(finished)
    run_stage("evaluate", finished)
    assert "12 images were too uncertain" in write_report(finished).read_text(encoding="utf-8")


def test_figures_that_the_page_no_longer_has_are_removed(finished: Path) -> None:
    for name in ("confusion", "cluster_labelled", "mine"):
        (finished / "figures" / f"{name}.svg").touch()
    write_report(finished)
    names = {file.stem for file in (finished / "figures").iterdir()}
    assert not {"confusion", "cluster_labelled"} & names
    assert {"mine", "map", "cluster_loss"} <= names


def test_the_other_methods_have_reports_too(tmp_path: Path) -> None:
    config = tiny_gcc(write_images(tmp_path / "images.npy"))
    out = run(config, tmp_path / "gcc")
    for method, title in (("self-label", "Self-labelling"), ("ruc", "RUC")):
        folder = run(tiny_on_a_run(config, method), out / method)
        html = (folder / "report.html").read_text(encoding="utf-8")
        assert f"{title} sorted 120 images" in html
        assert "Training of the classifier" in html
        assert all(is_figure_name(file.stem) for file in (folder / "figures").iterdir())
    assert "GCC sorted 120 images" in (out / "report.html").read_text(encoding="utf-8")


def test_features_without_images_have_a_report(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", random.normal(size=(60, 6)) + 4 * np.eye(6)[np.arange(60) % 3])
    images = write_images(tmp_path / "images.npy")
    changes = {"data.kind": "features", "data.source": str(tmp_path / "x.npy")}
    config = build_config(tiny_config(images, num_clusters=3, encode__epochs=1), changes)
    html = (run(config, tmp_path / "run") / "report.html").read_text(encoding="utf-8")
    assert "sorted 60 rows into 3 clusters" in html
    assert "<img" not in html
    assert "pretrained network" not in html


def test_lost_images_leave_a_report_without_pictures(finished: Path) -> None:
    config = (finished / "config.yaml").read_text(encoding="utf-8")
    (finished / "config.yaml").write_text(config.replace("images.npy", "lost.npy"), "utf-8")
    html = write_report(finished).read_text(encoding="utf-8")
    assert "<img" not in html
    assert "There are no pictures here" in html


def test_changed_images_are_not_shown(plain: Path, finished: Path) -> None:
    np.save(plain / "others.npy", 255 - np.load(plain / "images.npy"))
    config = (finished / "config.yaml").read_text(encoding="utf-8")
    (finished / "config.yaml").write_text(config.replace("images.npy", "others.npy"), "utf-8")
    html = write_report(finished).read_text(encoding="utf-8")
    assert "<img" not in html
    assert "have changed" in html


def test_older_runs_open_without_the_later_files(finished: Path) -> None:
    for name in ("graph.json", "clusters.csv", "outliers.csv", "near_duplicates.csv"):
        (finished / name).unlink(missing_ok=True)
    (finished / "history.jsonl").write_text('{"stage": "cluster", "st', encoding="utf-8")
    html = write_report(finished).read_text(encoding="utf-8")
    assert "id='training'" not in html
    assert "id='graphs'" in html


@pytest.mark.parametrize("missing", ["metrics.json", "assignments.csv", "manifest.json"])
def test_an_unfinished_run_is_told_what_to_do(missing: str, finished: Path) -> None:
    (finished / missing).unlink()
    with pytest.raises(UserError, match=r"evaluate --out|finish it first|not a run folder"):
        write_report(finished)


def test_no_path_of_this_machine_is_in_the_page(plain: Path) -> None:
    html = (plain / "run" / "report.html").read_text(encoding="utf-8")
    # The configuration alone names the source as the user did.
    without = re.sub(r"<pre.*?</pre>", "", html, flags=re.DOTALL)
    assert str(plain) not in without
