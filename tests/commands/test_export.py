"""``iciclegcn export`` as its users meet it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iciclegcn.cli.main import main
from iciclegcn.config import Config, DataConfig
from iciclegcn.config.values import to_yaml
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.files import write_text
from iciclegcn.run_folder.manifest import Manifest

PATHS = ["0.png", "1.png"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of two images in two clusters, made by hand."""
    photographs, path = tmp_path / "photographs", tmp_path / "run"
    photographs.mkdir()
    for name in PATHS:
        Image.new("L", (4, 4)).save(photographs / name)
    config = Config(num_clusters=2, data=DataConfig(source=str(photographs)))
    (path / "checkpoints").mkdir(parents=True)
    write_text(path / "config.yaml", to_yaml(config))
    Manifest.new(path / "manifest.json", 0).set_stages({"cluster": {"state": "done"}})
    artefacts, soft = RunArtefacts(path), np.array([[0.7, 0.3], [0.4, 0.6]])
    artefacts.write_listing(PATHS, np.arange(2), [])
    artefacts.write_model("mgcn", {}, {})
    artefacts.write_arrays("assignments_soft", {"output": soft})
    artefacts.write_assignments(PATHS, soft)
    return path


@pytest.mark.parametrize(
    ("flags", "linked"), [([], False), (["--copy"], False), (["--link"], True)]
)
def test_images_go_into_a_folder_per_cluster(
    flags: list[str], linked: bool, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = run.parent / "to"
    assert main(["export", "--run", str(run), "--to", str(to), *flags]) == 0
    done = "linked" if linked else "copied"
    assert capsys.readouterr().out == f"2 images of 2 clusters {done}: {to}\n"
    assert (to / "cluster-0" / "0.png").is_symlink() == linked
    assert (to / "cluster-1" / "1.png").is_file()


def test_a_table_is_told_by_its_ending(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    to = run.parent / "to.parquet"
    assert main(["export", "--run", str(run), "--to", str(to)]) == 0
    assert capsys.readouterr().out == f"2 rows of 2 clusters: {to}\n"
    table = parquet.read_table(to).to_pydict()
    assert (table["path"], table["cluster"]) == (PATHS, [0, 1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "to.csv", "--link"], "'--link' changes nothing"),
        (["--to", "to", "--link", "--copy"], "not allowed with argument"),
        ([], "required: --to"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--run", str(run), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_interruption_leaves_nothing(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("iciclegcn.results.export._Writer.write", interrupt)
    assert main(["export", "--run", str(run), "--to", str(run.parent / "to")]) == 130
    assert "no folder was made" in capsys.readouterr().err
    assert sorted(entry.name for entry in run.parent.iterdir()) == ["photographs", "run"]
