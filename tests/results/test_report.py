import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from iciclegcn.pipeline import run
from iciclegcn.progress import SilentReporter
from iciclegcn.results.report import is_reported
from iciclegcn.run_folder.artefacts import RunArtefacts
from tests.tiny_run import tiny_config, write_images


class Listener(SilentReporter):
    def __init__(self) -> None:
        self.ended: list[str] = []
        self.warnings: list[str] = []

    def progress(self, done: int, total: int, unit: str, values: Mapping[str, float]) -> None:
        del done, total, unit, values

    def end(self, stage: str, seconds: float | None) -> None:
        self.ended.append(stage if seconds is not None else f"{stage} before")

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))


def test_a_broken_report_is_a_warning_and_the_run_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(folder: Path) -> Path:
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr("iciclegcn.report.write.write_report", broken)
    listener = Listener()
    config = tiny_config(write_images(tmp_path / "images.npy"))
    out = run(config, tmp_path / "run", reporter=listener)
    assert RunArtefacts(out).read_metrics()["num_images"] == 120
    assert len([line for line in listener.warnings if "no luck" in line]) == 1
    assert f"iciclegcn report {out}" in "".join(listener.warnings)
    assert "report" not in listener.ended


def test_a_finished_run_gets_its_report_once(tmp_path: Path) -> None:
    listener = Listener()
    config = tiny_config(write_images(tmp_path / "images.npy"))
    out = run(config, tmp_path / "run", reporter=listener)
    assert listener.ended[-2:] == ["evaluate", "report"]
    written = (out / "report.html").stat().st_mtime_ns
    again = Listener()
    run(config, out, reporter=again)
    assert again.ended[-1] == "evaluate before"
    assert (out / "report.html").stat().st_mtime_ns == written
    (out / "report.html").unlink()
    run(config, out, reporter=Listener())
    assert (out / "report.html").is_file()


def test_a_report_of_earlier_figures_is_made_again(tmp_path: Path) -> None:
    config = tiny_config(write_images(tmp_path / "images.npy"))
    out = run(config, tmp_path / "run")
    listener = Listener()
    run(config, out, reporter=listener)
    assert "report" not in listener.ended
    # As a run leaves it that is killed after its figures and before its page.
    later = (out / "report.html").stat().st_mtime_ns + 10**9
    os.utime(out / "metrics.json", ns=(later, later))
    assert not is_reported(out)
    os.utime(out / "report.html", ns=(later - 1, later - 1))
    listener = Listener()
    run(config, out, reporter=listener)
    assert "report" in listener.ended
