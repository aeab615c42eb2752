import configparser
import re
from importlib import metadata
from pathlib import Path

import pytest

from iciclegcn.installation import (
    EXTRAS,
    REQUIRED,
    Extra,
    ExtraState,
    Package,
    conflicts,
    extras,
    find,
    required_packages,
)

SETUP = Path(__file__).parents[1] / "setup.cfg"
# What a developer of the package needs, and a user does not.
DEVELOPERS = {"dev", "docs"}


def bounds(requirements: str) -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in requirements.splitlines())
    found = [re.fullmatch(r"([\w-]+)(?:\[\w+\])?(?:>=([\d.]+))?", line) for line in lines if line]
    return {match[1]: match[2] or "0" for match in found if match}


def setup_sections() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(SETUP, encoding="utf-8")
    return parser


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is installed, for as long as the test lasts."""
    installed: dict[str, str] = {}

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)
    return installed


def test_the_needed_packages_are_those_of_setup() -> None:
    required = bounds(setup_sections()["options"]["install_requires"])
    assert {package.distribution: package.minimum for package in REQUIRED} == required


def test_the_extras_are_those_of_setup() -> None:
    section = setup_sections()["options.extras_require"]
    promised = {name: bounds(section[name]) for name in section if name not in DEVELOPERS}
    told = {
        extra.name: {package.distribution: package.minimum for package in extra.packages}
        for extra in EXTRAS
    }
    assert told == promised
    assert len(EXTRAS) == len(told)  # none is told twice


def test_all_that_is_needed_is_here() -> None:
    states = required_packages()
    assert [state.package for state in states] == list(REQUIRED)
    assert [state.problem for state in states if state.problem] == []


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("2.6", ""),
        ("2.10.0+cu126", ""),  # 10 comes after 6
        ("3.0rc1", ""),
        ("2.5.9", "is older than 2.6"),
        (None, "is not installed"),
    ],
)
def test_a_version_is_held_against_the_oldest(
    versions: dict[str, str], version: str | None, problem: str
) -> None:
    if version is not None:
        versions["torch"] = version
    state = find(Package("torch", "torch", "2.6"))
    assert (state.version, state.problem) == (version, problem)


def test_another_distribution_may_bring_the_module(versions: dict[str, str]) -> None:
    versions["faiss-gpu"] = "1.15"
    assert find(Package("faiss-cpu", "faiss", "1.9", ("faiss-gpu",))).problem == ""
    assert find(Package("faiss-cpu", "faiss", "1.9")).problem == "is not installed"


def test_a_package_that_cannot_be_imported_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, versions: dict[str, str]
) -> None:
    (tmp_path / "broken_build.py").write_text("raise OSError('libx.so:\\n  no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    versions["broken"] = "1.0"
    monkeypatch.setattr(
        "iciclegcn.installation.REQUIRED", (Package("broken", "broken_build", "1.0"),)
    )
    [state] = required_packages()
    assert state.problem == "cannot be imported (libx.so: no such file)"


def test_an_extra_needs_all_of_its_packages(versions: dict[str, str]) -> None:
    versions["pynndescent"] = "0.7"
    states = {state.extra.name: state for state in extras()}
    assert [state.version for state in states["searches"].packages] == ["0.7", None]
    assert not states["searches"].complete
    versions["hnswlib"] = "0.8.0"
    assert {state.extra.name: state for state in extras()}["searches"].complete
    assert not ExtraState(EXTRAS[0], (find(EXTRAS[0].packages[0]),)).complete


def test_an_extra_tells_how_it_is_installed() -> None:
    assert Extra("mnist", (), "digits").install == "pip install 'iciclegcn[mnist]'"
    assert Extra("cluster", (), "", "pip install it").install == "pip install it"


def test_what_cannot_share_an_environment_is_told(versions: dict[str, str]) -> None:
    assert conflicts() == []
    versions |= {"faiss-cpu": "1.9", "faiss-gpu": "1.9", "graphs": "0.1"}
    both, other = conflicts()
    assert both.startswith("faiss-cpu and faiss-gpu are both installed")
    assert other.startswith("the unrelated distribution 'graphs'")
