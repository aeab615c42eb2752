"""Processes are counted, started, and ended together."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from iciclegcn.distributed import launch as module
from iciclegcn.distributed.launch import Job, Processes, launch, processes
from iciclegcn.errors import UserError
from iciclegcn.run_folder.artefacts import ARTEFACTS
from iciclegcn.run_folder.manifest import STAGES
from tests.distributed.killed_ranks import EPOCHS, STEPS
from tests.tiny_run import write_images

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = {"LOCAL_RANK": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TORCHRUN, "MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)


def nothing() -> int:
    return 0


def start(*words: str, launcher: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment["TORCH_CPP_LOG_LEVEL"] = "ERROR"
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "tests.distributed.killed_ranks", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def ranks_of(parent: int) -> list[int]:
    """Process ids of the ranks that a process has started, in the order of ranks."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return sorted(int(pid) for pid, words in commands.items() if b"spawn_main" in words)


def rows(out: Path) -> list[dict[str, object]]:
    file = out / "history.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def kill_while_training(out: Path, images: Path, rank: int) -> tuple[int, str, float]:
    """Kill a rank in mid-epoch: the exit code, stderr, and the seconds until the end."""
    with start(str(out), str(images)) as process:
        checkpoint = out / "checkpoints" / "pretrain.pt"
        while not checkpoint.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        children = ranks_of(process.pid)
        assert len(children) == 2
        os.kill(children[rank], signal.SIGKILL)
        began = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    return process.returncode, errors, time.monotonic() - began


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")
@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_killed_rank_ends_the_run_which_then_goes_on(tmp_path: Path, rank: int) -> None:
    pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed")
    out, images = tmp_path / "run", write_images(tmp_path / "images.npy")
    code, errors, seconds = kill_while_training(out, images, rank)
    assert code == 1
    assert errors.splitlines() == [
        f"iciclegcn: error: process {rank} of 2 was ended by SIGKILL; the same command goes on "
        "from where it stopped"
    ]
    assert seconds < 45
    with start(str(out), str(images)) as process:
        _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    steps = Counter(row["step"] for row in rows(out) if row["stage"] == "pretrain")
    assert steps == Counter(range(EPOCHS * STEPS))  # each step once
    for stage in STAGES["icicle"]:
        assert all((out / name).is_file() for name in ARTEFACTS[stage]), stage
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["stages"]["pretrain"]["runtime"]["processes"] == 2


@pytest.mark.slow
def test_torchrun_starts_the_same_run(tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed")
    out, images = tmp_path / "run", write_images(tmp_path / "images.npy")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    with start(str(out), str(images), launcher=torchrun) as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert (out / "metrics.json").is_file()


@pytest.mark.slow
def test_a_mistake_is_told_once() -> None:
    pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed")
    with start("refuse") as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.splitlines() == ["told: nothing fits"]


def test_options_say_how_many_processes() -> None:
    assert processes(None, None) == Processes(1, 1, started=False)
    assert processes(4, 2).size == 8
    assert not processes(4, 2).started


def test_torchrun_says_how_many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    under_torchrun(monkeypatch)
    assert processes(None, None) == Processes(4, 2, started=True)
    assert processes(4, 2) == Processes(4, 2, started=True)


@pytest.mark.parametrize(
    ("devices", "num_nodes", "fragment"),
    [
        (0, None, "'--devices' must be at least 1 (got 0)"),
        (None, -1, "'--num-nodes' must be at least 1 (got -1)"),
    ],
)
def test_impossible_numbers_are_refused(
    devices: int | None, num_nodes: int | None, fragment: str
) -> None:
    with pytest.raises(UserError) as caught:
        processes(devices, num_nodes)
    assert fragment in str(caught.value)


def test_numbers_that_torchrun_contradicts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    under_torchrun(monkeypatch)
    with pytest.raises(UserError, match=r"'--devices 2' does not fit the 4 .*under torchrun"):
        processes(2, None)


@pytest.mark.parametrize(
    ("wanted", "device", "fragment"),
    [
        (Processes(2, 1, False), "cuda:1", "'--device cuda:1' names one device for 2 processes"),
        (Processes(2, 2, False), "cpu", "needs MASTER_ADDR, MASTER_PORT and NODE_RANK"),
        (Processes(99, 1, False), "cuda", "'--devices' must be at most the number of GPUs"),
    ],
)
def test_what_cannot_start_is_refused(wanted: Processes, device: str, fragment: str) -> None:
    pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed")
    with pytest.raises(UserError) as caught:
        launch(Job(nothing, lambda _: 2), wanted, device)
    assert fragment in str(caught.value)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(UserError, match="pip install lightning-fabric"):
        launch(Job(nothing, lambda _: 2), Processes(2, 1, False), "cpu")


def test_importing_loads_neither_torch_nor_fabric() -> None:
    program = (
        f"import sys, {module.__name__}\n"
        "print([n for n in ('torch', 'lightning_fabric') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
