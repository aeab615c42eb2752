"""The folder that pages' commands and programs are run in."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.docs.shell_commands import ROOT
from tests.docs.workplace import make_workplace


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workplace")
    make_workplace(folder)
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.fixture
def workplace(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one page's own, where we are; ``iciclegcn`` and ``python`` are this one's."""
    programs = {
        "iciclegcn": f'exec {sys.executable} -m iciclegcn "$@"',
        "python": f'exec {sys.executable} "$@"',
        "torchrun": f'exec {sys.executable} -m torch.distributed.run "$@"',
    }
    for name, line in programs.items():
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        file.chmod(0o755)
    place = tmp_path / "workplace"
    shutil.copytree(template, place)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(place)
    return place
