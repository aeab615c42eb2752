from pathlib import Path

import pytest

from iciclegcn.cli.main import main
from iciclegcn.pipeline import run
from tests.tiny_run import tiny_config, write_images


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICICLEGCN_CACHE", str(folder / "cache"))
        return run(tiny_config(write_images(folder / "images.npy")), folder / "run")


def test_the_page_is_written_and_its_path_printed(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (finished / "report.html").unlink()
    assert main(["report", str(finished)]) == 0
    assert capsys.readouterr().out == f"{finished / 'report.html'}\n"
    assert (finished / "report.html").is_file()


def test_the_map_s_kind_is_passed_on(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def write_report(folder: Path, *, map_kind: str) -> Path:
        asked.append((folder, map_kind))
        return folder / "report.html"

    monkeypatch.setattr("iciclegcn.report.write.write_report", write_report)
    assert main(["report", str(finished), "--map", "pca"]) == 0
    assert main(["report", str(finished)]) == 0
    assert asked == [(finished, "pca"), (finished, "auto")]
    assert main(["report", str(finished), "--map", "tsne"]) == 2
    assert "'--map' must be one of auto, umap, pca (got 'tsne')" in capsys.readouterr().err


def test_tensorboard_is_written_on_request(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    assert main(["report", str(finished), "--tensorboard"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(finished / "tensorboard")
    assert (finished / "tensorboard" / "cluster").is_dir()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "'iciclegcn report' needs the folder of a finished run"),
        (["nowhere"], "'nowhere' is not a run folder"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *words]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert len(errors.splitlines()) == 1
