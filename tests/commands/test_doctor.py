import dataclasses
import json
from pathlib import Path

import pytest

from iciclegcn.cli.main import main
from iciclegcn.installation import REQUIRED, PackageState
from iciclegcn.machine import Machine

MACHINE = Machine(
    system="Linux x86_64",
    python="3.11.9 (python)",
    cores=8,
    threads=4,
    instructions="AVX512",
    precision="bf16",
    gpus=(("GeForce", 24.0),),
    cuda="12.6",
    faiss_build="AVX2",
    faiss_gpus=None,
    memory_free=3.25,
    memory_total=16.0,
    cache=Path("cache"),
    cache_free=100.0,
    cache_writable=True,
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Machine]:
    """The machine that is found, to be replaced by the test."""
    found = [MACHINE]
    monkeypatch.setattr("iciclegcn.machine.examine_machine", lambda: found[0])
    return found


def told(capsys: pytest.CaptureFixture[str], code: int = 0) -> list[str]:
    assert main(["doctor"]) == code
    return capsys.readouterr().out.splitlines()


def test_it_names_packages_machine_and_extras(
    machine: list[Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(capsys)
    for package in REQUIRED:
        assert any(line.split()[:1] == [package.distribution] for line in lines)
    assert "  processor    8 cores, 4 threads, AVX512" in lines
    assert "  GPU          GeForce, 24 GiB" in lines
    assert "  memory       3.2 of 16.0 GiB free" in lines
    assert "  FAISS        build for CPUs (AVX2); 'gpu' below makes it search there" in lines
    [cluster] = [line for line in lines if line.startswith("  cluster ")]
    assert "--no-build-isolation" in cluster or " here " in cluster
    assert lines[-1] == "no problems"


def test_without_a_gpu_it_says_so(
    machine: list[Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    machine[0] = dataclasses.replace(MACHINE, gpus=(), cuda=None)
    lines = told(capsys)
    assert "  GPU          none (torch's build for CPUs)" in lines
    assert "  FAISS        build for CPUs (AVX2)" in lines


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cache_writable": False}, "the image cache 'cache' cannot be written; set ICICLEGCN_"),
        ({"faiss_gpus": 0}, "torch sees a GPU and FAISS, a build for GPUs, does not"),
    ],
)
def test_problems_of_the_machine_are_told(
    machine: list[Machine],
    change: dict[str, object],
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine[0] = dataclasses.replace(MACHINE, **change)  # type: ignore[arg-type]
    *_, heading, line = told(capsys, code=1)
    assert heading == "problems"
    assert line.strip().startswith(problem)


def test_a_package_that_is_too_old_comes_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = PackageState(REQUIRED[0], "2.1", "is older than 2.6")
    monkeypatch.setattr("iciclegcn.installation.required_packages", lambda: [state])
    lines = told(capsys, code=1)
    assert lines[-1] == "  torch is older than 2.6; run: pip install --upgrade 'torch>=2.6'"
    assert "machine" not in lines  # nothing is computed with what does not do


def test_a_wrong_search_is_a_problem(
    machine: list[Machine], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("iciclegcn.machine.search_works", lambda: False)
    assert "install FAISS again" in told(capsys, code=1)[-1]


def test_programs_get_the_same_as_json(
    machine: list[Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"version", "needed", "machine", "extras", "problems"}
    assert found["needed"].keys() == {package.distribution for package in REQUIRED}
    assert found["machine"]["gpus"] == [["GeForce", 24.0]]
    assert found["extras"]["mnist"]["install"] == "pip install 'iciclegcn[mnist]'"
    assert found["problems"] == []
