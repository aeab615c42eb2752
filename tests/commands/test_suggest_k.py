from pathlib import Path

import pytest

from iciclegcn.cli.main import main
from iciclegcn.evaluation.suggestion import Suggestion
from iciclegcn.results.suggestion import SuggestionFiles
from tests.results.test_suggestion import COUNT, made


def test_the_suggestion_is_printed_and_its_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run")
    words = ["suggest-k", "--run", str(run), "--range", "2", "8", "--resamples", "3"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"suggestion   {COUNT} clusters"
    assert [line[:13].strip() for line in lines[1:4]] == ["stable", "separated", "together"]
    assert f"curves       {run}/suggest_k.csv" in lines
    before = (run / "suggest_k.csv").read_bytes()
    assert main(words) == 0
    assert (run / "suggest_k.csv").read_bytes() == before
    assert main([*words, "--seed", "7"]) == 0
    assert (run / "suggest_k.csv").read_bytes() != before


def test_not_being_able_to_tell_is_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run")
    assert main(["suggest-k", "--run", str(run), "--range", "2", "3", "--resamples", "2"]) == 0
    assert capsys.readouterr().out.startswith("suggestion   cannot tell: ")


@pytest.mark.parametrize(
    ("close", "line"),
    [
        ((5,), "5 clusters"),
        ((5, 10), "5 clusters; 5 and 10 do about as well"),
        ((5, 6, 7), "5 clusters; 5 to 7 do about as well"),
    ],
)
def test_only_numbers_that_do_about_as_well_are_said_to(
    close: tuple[int, ...],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = list(close)
    found = Suggestion(5, 5, close[-1], close, numbers, numbers, numbers, "")
    files = SuggestionFiles(found, tmp_path / "suggest_k.csv", None)
    monkeypatch.setattr("iciclegcn.results.suggestion.suggest_k", lambda *_, **__: files)
    assert main(["suggest-k", "--run", str(made(tmp_path / "run"))]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"suggestion   {line}"


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        ("--range 2 99", "'--range' must end at 20 or below for 160 images"),
        ("--range 5", "argument --range: expected 2 arguments"),
        ("--range two 9", "argument --range: invalid int value"),
        ("--resamples 1", "'--resamples' must be at least 2 (got 1)"),
        ("--seed -1", "'--seed' must be 0 or more (got -1)"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    words: str, fragment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run")
    assert main(["suggest-k", "--run", str(run), *words.split()]) == 2
    captured = capsys.readouterr()
    assert fragment in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_folder_without_a_run_is_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suggest-k", "--run", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err
