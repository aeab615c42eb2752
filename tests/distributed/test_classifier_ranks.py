"""GCC, self-labelling and RUC on two processes, from the command line, give what one gives."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_run import TINY_GCC, TINY_ON_A_RUN, tiny_options, write_images

ROOT = Path(__file__).resolve().parents[2]


def start(place: Path, *words: str) -> None:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "ICICLEGCN_CACHE": str(place / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "iciclegcn", *words],
        capture_output=True,
        text=True,
        env=environment,
        cwd=place,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders ``1`` and ``2``, with the chain of runs on so many processes."""
    folder = tmp_path_factory.mktemp("processes")
    write_images(folder / "images.npy")
    gcc = tiny_options({**TINY_GCC, "gcc.num_heads": 2})
    taught, refined = (tiny_options(TINY_ON_A_RUN[name]) for name in ("self-label", "ruc"))
    for number in ("1", "2"):
        where = ["--devices", number]
        begin = ["run", "images.npy", "--method", "gcc", "--self-label", "--out", number]
        start(folder, *begin, *gcc, *taught, *where)
        start(folder, "refine", "--run", f"{number}/self-label", *refined, *where)
    return folder


@pytest.mark.parametrize("run", [".", "self-label", "self-label/ruc"])
def test_two_processes_answer_as_one(run: str, place: Path) -> None:
    one, two = (place / number / run for number in ("1", "2"))
    answers = [np.load(folder / "assignments_soft.npz")["output"] for folder in (one, two)]
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-5)
    features = [np.load(folder / "features.npy") for folder in (one, two)]
    np.testing.assert_allclose(features[1], features[0], atol=1e-4)
    assert {file.name for file in one.iterdir()} - {"index"} == {
        file.name for file in two.iterdir()
    } - {"index"}
