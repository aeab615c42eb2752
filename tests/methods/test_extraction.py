import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.methods import extraction
from iciclegcn.methods.embedding import embed
from iciclegcn.methods.extraction import agrees, extract, rows_there
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.pretrained.facts import Shown
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.nn.pretrained.preprocess import Preprocess
from iciclegcn.runtime import Runtime
from tests.tiny_networks import tiny_network

CONFIG = Config(num_clusters=2)
NUM_IMAGES = 150  # three batches


def wrapped(network: nn.Module | None = None) -> PretrainedNetwork:
    return PretrainedNetwork(network or tiny_network(), Preprocess(Shown(8, 1.0)), "tiny").eval()


def images(count: int = NUM_IMAGES) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)


def runtime(precision: str = "fp32") -> Runtime:
    return Runtime.create(0, "cpu", precision)


class Killed(NullMonitor):
    """Remembers the last state, and stops the process after some images."""

    def __init__(self, after: int | None = None) -> None:
        self.state: dict[str, Any] | None = None
        self._after = after
        self.seen: list[int] = []

    def load(self) -> dict[str, Any] | None:
        return self.state

    def save(self, state: dict[str, Any]) -> None:
        self.state = state
        if self._after is not None and state["rows"] >= self._after:
            raise KeyboardInterrupt

    def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
        assert (total, unit) == (NUM_IMAGES, "image")
        self.seen.append(done)


def test_the_file_holds_what_the_network_gives(tmp_path: Path) -> None:
    network, monitor = wrapped(), Killed()
    extract(images(), network, CONFIG, runtime(), monitor, tmp_path / "x.npy")
    found = np.load(tmp_path / "x.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(
        found, embed(images(), network, CONFIG, runtime(), NullMonitor(), 64)
    )
    assert monitor.seen == [64, 128, 150]


def test_an_interrupted_extraction_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "SAVE_INTERVAL", -1.0)
    network, file, killed = wrapped(), tmp_path / "x.npy", Killed(after=64)
    with pytest.raises(KeyboardInterrupt):
        extract(images(), network, CONFIG, runtime(), killed, file)
    resumed = Killed()
    resumed.state = killed.state
    first = rows_there(network, NUM_IMAGES, resumed, file)
    assert first == 64
    # What was there is not computed again: a mark in it stays.
    marked = np.lib.format.open_memmap(file, mode="r+")
    marked[3] = 7.0
    marked.flush()
    extract(images(), network, CONFIG, runtime(), resumed, file, first)
    assert resumed.seen == [128, 150]
    expected = embed(images(), network, CONFIG, runtime(), NullMonitor(), 64)
    expected[3] = 7.0
    np.testing.assert_array_equal(np.load(file), expected)


@pytest.mark.parametrize("broken", ["state", "weights", "file", "shape", "damage"])
def test_what_does_not_fit_is_computed_anew(tmp_path: Path, broken: str) -> None:
    network, file, monitor = wrapped(), tmp_path / "x.npy", Killed()
    np.save(file, np.zeros((NUM_IMAGES + (broken == "shape"), 4), np.float32))
    monitor.state = {"rows": 64, "network": network.fingerprint()}
    if broken == "state":
        monitor.state = None
    elif broken == "weights":
        network = wrapped(tiny_network(1))
    elif broken == "file":
        file.unlink()
    elif broken == "damage":
        file.write_bytes(b"nothing")
    assert rows_there(network, NUM_IMAGES, monitor, file) == 0


def test_rows_of_an_extraction_that_began_anew_are_not_taken_for_older_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "SAVE_INTERVAL", -1.0)
    network, other, file = wrapped(), wrapped(tiny_network(1)), tmp_path / "x.npy"
    killed = Killed(after=64)
    with pytest.raises(KeyboardInterrupt):
        extract(images(), network, CONFIG, runtime(), killed, file)

    class AtOnce(Killed):
        def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
            raise KeyboardInterrupt

    # With other weights the file is emptied, and the process killed before it saves any rows.
    again = AtOnce()
    again.state = killed.state
    assert rows_there(other, NUM_IMAGES, again, file) == 0
    with pytest.raises(KeyboardInterrupt):
        extract(images(), other, CONFIG, runtime(), again, file)
    assert not np.load(file)[64:].any()
    for weights in (network, other):
        assert rows_there(weights, NUM_IMAGES, again, file) == 0


def full(descriptor: int, num_bytes: int) -> None:
    assert num_bytes == 128 + NUM_IMAGES * 4 * 4  # header and rows
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_before_the_file_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "reserve", full)
    file, monitor = tmp_path / "x.npy", Killed()
    with pytest.raises(UserError) as caught:
        extract(images(), wrapped(), CONFIG, runtime(), monitor, file)
    assert str(caught.value) == (
        f"cannot write 0.00 GiB of features to '{file}' (No space left on device); make room in "
        f"'{tmp_path}', or give another --out"
    )
    assert not file.exists()
    assert monitor.seen == []


def test_rows_that_are_there_outlive_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, rows = tmp_path / "x.npy", np.ones((NUM_IMAGES, 4), np.float32)
    np.save(file, rows)
    with monkeypatch.context() as patch:
        patch.setattr(extraction, "reserve", full)
        with pytest.raises(UserError, match="No space left on device"):
            extract(images(), wrapped(), CONFIG, runtime(), Killed(), file, first=64)
    np.testing.assert_array_equal(np.load(file), rows)
    extract(images(), wrapped(), CONFIG, runtime(), Killed(), file, first=64)
    found = np.load(file)
    np.testing.assert_array_equal(found[:64], rows[:64])
    assert not np.array_equal(found[64:], rows[64:])


class Rounding(nn.Module):
    """Features whose rounding in half precision is known: a large mean, and little around it."""

    def __init__(self, mean: float) -> None:
        super().__init__()
        self._mean = mean

    def forward(self, shown: Tensor) -> Tensor:
        x = shown.mean(dim=(2, 3)) + self._mean
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.bfloat16)
        return x


@pytest.mark.parametrize(("mean", "fine"), [(0.0, True), (100.0, False)])
def test_half_precision_is_used_where_its_features_agree(mean: float, fine: bool) -> None:
    network = wrapped(Rounding(mean))
    assert agrees(network, images(), CONFIG, runtime("bf16")) is fine
    assert agrees(network, images(), CONFIG, runtime("fp32"))


def test_a_network_of_full_precision_agrees_always() -> None:
    network = wrapped(Rounding(100.0))
    network.full_precision = True
    assert agrees(network, images(), CONFIG, runtime("bf16"))
