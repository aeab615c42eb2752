"""``iciclegcn predict`` as its users meet it."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iciclegcn import Run
from iciclegcn.cli.main import main
from tests.finished_runs import icicle_run, new_digits

NEW = new_digits(6)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return icicle_run(tmp_path_factory.mktemp("icicle"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    folder.mkdir()
    for number, pixels in enumerate(NEW):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def clusters(text: str) -> list[str]:
    return [row["cluster"] for row in csv.DictReader(io.StringIO(text))]


def test_without_a_file_the_table_is_the_output(
    run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "--run", str(run), str(pictures)]) == 0
    output = capsys.readouterr()
    expected = Run.load(run).predict(NEW).clusters
    assert clusters(output.out) == [str(cluster) for cluster in expected]
    assert output.err.startswith("predict: ")


def test_several_files_are_given_as_words(
    run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(pictures / "4.png"), str(pictures / "1.png")]
    assert main(["predict", "--run", str(run), *files]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["path"] for row in rows] == files


def test_a_file_gets_the_table_and_the_output_a_summary(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, listed = tmp_path / "found.csv", tmp_path / "found-skipped.csv"
    (pictures / "broken.png").write_bytes(b"no image")
    words = ["predict", "--run", str(run), str(pictures), "--out", str(out)]
    assert main(words) == 0
    summary = capsys.readouterr().out
    assert f"predictions  {out}" in summary
    assert f"images       6, 1 skipped ({listed})" in summary
    assert "images/s, loading included" in summary
    assert len(clusters(out.read_text(encoding="utf-8"))) == 6
    assert listed.read_text(encoding="utf-8").splitlines()[1].startswith("broken.png,")
    (pictures / "broken.png").unlink()
    assert main(words) == 0
    assert not listed.exists()  # it was about other images
    listed.write_text("something else\n", encoding="utf-8")
    assert main(words) == 0
    assert listed.read_text(encoding="utf-8") == "something else\n"


def test_unreadable_images_are_told_beside_the_table(
    run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.png").write_bytes(b"no image")
    assert main(["predict", "--run", str(run), str(pictures)]) == 0
    output = capsys.readouterr()
    assert len(clusters(output.out)) == 6
    assert "skipped: 'broken.png' (not an image in a known format)" in output.err


def test_strict_refuses_them_and_leaves_no_file(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.png").write_bytes(b"no image")
    out = tmp_path / "found.csv"
    words = ["predict", "--run", str(run), str(pictures), "--strict", "--out", str(out)]
    assert main(words) == 2
    assert "'broken.png' is unreadable" in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["new"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run", "nowhere", "new.png"], "'nowhere' is not a run folder"),
        (["--run", "nowhere"], "the following arguments are required: NEW"),
        (["--run", "nowhere", "new", "--out", "found.txt"], "must end in .csv or .parquet"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_summary_tells_of_the_unassigned(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iciclegcn.prediction.run._confidence_floor", lambda _: 1.0)
    np.save(tmp_path / "new.npy", NEW)
    out = tmp_path / "found.csv"
    assert main(["predict", "--run", str(run), str(tmp_path / "new.npy"), "--out", str(out)]) == 0
    assert "unassigned   6" in capsys.readouterr().out
    assert clusters(out.read_text(encoding="utf-8")) == ["-1"] * 6


def test_an_interruption_says_what_is_left(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    np.save(tmp_path / "new.npy", NEW)
    monkeypatch.setattr(Run, "_answer", interrupt)
    words = ["predict", "--run", str(run), str(tmp_path / "new.npy")]
    assert main([*words, "--out", str(tmp_path / "found.csv")]) == 130
    assert capsys.readouterr().err == (
        "interrupted: no file was written; the same command begins anew\n"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["new.npy"]


def test_a_reader_may_leave_early(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise BrokenPipeError

    np.save(tmp_path / "new.npy", NEW)
    monkeypatch.setattr(Run, "predict_to", closed)
    assert main(["predict", "--run", str(run), str(tmp_path / "new.npy")]) == 0
    assert capfd.readouterr().err == ""
