"""The wheel and the source distribution: built, installed alone, and run."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import iciclegcn
from tests.tiny_run import TINY, tiny_options

ROOT = Path(__file__).parents[1]
_NOT_OURS = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "*.pyc")
_MADE = ("build", "dist", "runs", "data", "site")


def run(*words: str | Path, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions: the sdist of the sources, the wheel of the sdist."""
    pytest.importorskip("build", reason="the package build is not installed")
    folder = tmp_path_factory.mktemp("distribution")
    made = [ROOT / name for name in _MADE]

    def ignored(place: str, names: list[str]) -> set[str]:
        patterns = shutil.ignore_patterns(*_NOT_OURS)(place, names)
        return patterns | {name for name in names if Path(place, name) in made}

    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist")
    run(*command, folder / "source", folder=folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    [file] = built.glob("*.whl")
    return file


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {
        file.relative_to(ROOT).as_posix()
        for package in ("iciclegcn", "graphs")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert packed == ours


@pytest.mark.slow
def test_the_metadata_is_complete(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Name"] == "iciclegcn"
    assert metadata["Version"] == iciclegcn.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] or metadata["License"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    for field in ("Summary", "Author", "Keywords", "Classifier", "Project-URL", "License-File"):
        assert metadata[field], field
    assert "A bare `iciclegcn run`" in str(metadata.get_payload())


@pytest.mark.slow
def test_the_sdist_can_be_tested_and_documented(built: Path) -> None:
    [file] = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {"LICENSE", "README.md", "CITATION.cff", "CHANGELOG.md", "Makefile", "mkdocs.yml"}
    expected |= {
        "docs/index.md",
        "docs/site/equations.py",
        "tests/tiny_run.py",
        "tests/conftest.py",
    }
    expected |= {"tests/golden/metrics.npz", "benchmarks/digits.py", "examples/own_features.py"}
    assert expected - names == set()
    assert not [name for name in names if "__pycache__" in name or name.startswith("runs")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_what_is_installed_runs(kind: str, built: Path, tmp_path: Path) -> None:
    [file] = built.glob(kind)
    target, work = tmp_path / "target", tmp_path / "work"
    work.mkdir()
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    alone = ("--no-deps", "--no-index", "--no-build-isolation", "--target", target)
    run(*pip, *alone, file, folder=work)
    environment = {"PYTHONPATH": str(target), "ICICLEGCN_CACHE": str(tmp_path / "cache")}
    place = "import iciclegcn, graphs; print(iciclegcn.__file__, graphs.__file__)"
    homes = run(sys.executable, "-c", place, folder=work, **environment).split()
    assert [Path(home).parents[1] for home in homes] == [target, target]
    options = tiny_options({k: v for k, v in TINY.items() if k != "num_clusters"})
    run(target / "bin" / "iciclegcn", "run", *options, folder=work, **environment)
    [table] = work.glob("runs/*/assignments.csv")
    assert len(table.read_text(encoding="utf-8").splitlines()) == 1798
    assert (table.parent / "report.html").is_file()


def test_the_citation_is_this_version_and_this_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == iciclegcn.__version__
    assert citation["license"] == "MIT"
    assert {"message", "title", "authors", "type"} <= set(citation)
    paper = citation["preferred-citation"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for cited in (paper, *citation["references"]):
        assert cited["title"] in readme
        for author in cited["authors"]:
            assert f"{author['family-names']}, {author['given-names']}" in readme
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert f"https://doi.org/{paper['doi']}" in setup
