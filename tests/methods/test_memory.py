"""The estimate, by hand and against what a training really takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from iciclegcn.config import MGCNConfig
from iciclegcn.methods import memory
from iciclegcn.methods.memory import (
    FIXED_BYTES,
    available_bytes,
    budget_bytes,
    give_back_freed_memory,
    inference_bytes,
    propagated_widths,
    step_bytes,
)

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


def test_a_layer_propagates_at_its_narrower_side() -> None:
    assert propagated_widths((512, 500, 500, 2000, 10)) == [500, 500, 10, 10]
    assert propagated_widths((64, 10, 30, 3)) == [10, 3, 3]


def test_the_bytes_of_a_step_by_hand() -> None:
    # Widths 7-5-4-9-2, two streams, 100 nodes, 300 edges; a node keeps, in entries:
    # encoder 5 + 4 + 9; before the ReLU of layers 1 and 3, 5 + 9 a stream; propagated at
    # 4, 4, 2, 2 a stream; on the way back 9 + 2 * 4.
    states = 18 + 2 * (14 + 12) + 17
    node = 4 * (7 * 3 + 8 * 4 * 2)  # x and A·x, and the [N, K] matrices of four heads
    parameters = 4 * 4 * 4 * (35 + 20 + 36 + 18)
    fixed = FIXED_BYTES + 300 * 8 + parameters
    widths = (7, 5, 4, 9, 2)
    assert step_bytes(100, [100, 200], widths, 4) == fixed + 100 * (node + 4 * states)
    assert step_bytes(100, [100, 200], widths, 2) == fixed + 100 * (node + 2 * (states + 7))


def test_the_bytes_of_a_pass_over_all_nodes_by_hand() -> None:
    # Three states of width 4, and four heads of width 2 while they are put together.
    expected = FIXED_BYTES + 100 * (3 * 4 * 4 + 4 * 2 * 4 * 2) + 300 * 8
    assert inference_bytes(100, [100, 200], (7, 5, 4, 9, 2), 4) == expected


def test_a_million_nodes_pass_in_8_gb_at_the_papers_widths() -> None:
    edges = [3_000_000, 20_000_000]
    assert inference_bytes(10**6, edges, (512, 500, 500, 2000, 10), 4) < 8e9
    assert step_bytes(10**6, edges, (512, 500, 500, 2000, 10), 4) > 40e9


def test_the_budget_is_what_is_asked_for_or_half_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda _: 3 * 2**30)
    assert budget_bytes(MGCNConfig(), CPU) == 1.5 * 2**30
    assert budget_bytes(MGCNConfig(memory_gib=0.25), CPU) == 2**28


def test_what_is_free_is_less_than_there_is() -> None:
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < available_bytes(CPU) <= there


# Widths of the quick preset; two sizes, so that what does not grow with N falls out.
MEASURED = """
import json, sys
import numpy as np, torch
from benchmarks.memory import PeakMemory
from graphs import ScaleGraph
from iciclegcn.config import Config, MGCNConfig
from iciclegcn.methods.memory import step_bytes
from iciclegcn.methods.icicle import train_mgcn
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.runtime import Runtime

precision = sys.argv[1]
widths = (128, 256, 256, 512, 10)
options = MGCNConfig(iterations=2, kmeans_restarts=1, partition="none")
rows = []
for n in (1500, 6000, 18000):
    ring = torch.arange(n)
    sides = torch.stack([torch.cat([ring] * 3), torch.cat([ring, ring.roll(1), ring.roll(-1)])])
    graph = ScaleGraph(sides[:, (sides[0] * n + sides[1]).argsort()], torch.full((3 * n,), 1 / 3))
    x = torch.randn(n, widths[0], generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    coder = AutoEncoder(widths[0], widths[1:-1], widths[-1])
    runtime = Runtime.create(0, "cpu", precision)
    with PeakMemory() as peak:
        train_mgcn(x, [graph, graph], coder, Config(10, mgcn=options), runtime, NullMonitor())
    size = runtime.compute_dtype.itemsize
    rows.append((peak.mib, (step_bytes(n, [3 * n] * 2, widths, size)) / 2**20))
print(json.dumps(rows))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured on Linux only")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_estimate_is_near_what_is_measured(precision: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURED, precision],
        capture_output=True,
        text=True,
        cwd=ROOT,
        # Freed pieces go back at once: what the allocator keeps in reserve is not counted.
        env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_MMAP_THRESHOLD_": "65536"},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, (small, expected_small), (large, expected_large) = json.loads(done.stdout)  # 1: a warm-up
    growth, expected = large - small, expected_large - expected_small
    assert growth == pytest.approx(expected, rel=0.25)
    assert large < 1.25 * expected_large


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_freed_memory_goes_back_to_the_system() -> None:
    def resident_mib() -> int:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) // 1024

    torch.ones(2**20)  # glibc keeps pieces of the size of what was freed before
    # Every other piece is freed, so nothing at the end of the heap.
    kept = [torch.ones(2**18) for _ in range(200)]  # 1 MiB each
    del kept[::2]
    before = resident_mib()
    give_back_freed_memory()
    assert resident_mib() <= before - 50
