"""Features of a frozen backbone on two processes, from the command line, are those of one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_networks import write_torchscript
from tests.tiny_run import write_images

pytestmark = pytest.mark.slow  # four processes, each of which loads torch
ROOT = Path(__file__).resolve().parents[2]
SHORT = (
    "--num-clusters 4 --device cpu --graph.k 1,3 --autoencoder.hidden_channels 8,8 "
    "--encode.epochs 1 --mgcn.iterations 1 --backbone net.pt --backbone.image_size 8"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders ``1`` and ``2``, with a run on so many processes."""
    pytest.importorskip("lightning_fabric", reason="the extra 'distributed' is absent")
    folder = tmp_path_factory.mktemp("extraction")
    write_images(folder / "images.npy", 150)  # three batches on two processes
    write_torchscript(folder / "net.pt")
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ICICLEGCN_CACHE": str(folder / "c")}
    for number in ("1", "2"):
        words = ["run", "images.npy", "--out", number, "--devices", number, *SHORT.split()]
        subprocess.run(
            [sys.executable, "-m", "iciclegcn", *words],
            env={**os.environ, **own},
            cwd=folder,
            timeout=300,
            check=True,
            capture_output=True,
        )
    return folder


def test_two_processes_give_the_features_of_one(place: Path) -> None:
    one, two = (np.load(place / number / "features.npy") for number in ("1", "2"))
    assert one.shape == (150, 4)
    np.testing.assert_array_equal(two, one)


def test_two_processes_cluster_as_one(place: Path) -> None:
    one, two = (np.load(place / n / "assignments_soft.npz")["output"] for n in ("1", "2"))
    np.testing.assert_allclose(two, one, atol=1e-5)
