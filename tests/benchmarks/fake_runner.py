"""A runner that trains nothing, for the tests of what is made of its results."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measured_process import Measured, ProcessError
from benchmarks.method_data import BenchmarkData
from benchmarks.method_parts import Part
from benchmarks.method_runs import PartRun, Runner

Y = np.array([0, 0, 1, 1])
# Three of four are right; the code of stage 1 has two of four.
SOFT = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
CODE = np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [0.2, 0.8]])


class FakeRunner(Runner):
    """Leaves results at once; remembers what was trained, for how long, and can fail."""

    def __init__(self, folder: Path) -> None:
        images = np.zeros((4, 1, 8, 8), dtype=np.uint8)
        super().__init__(BenchmarkData("digits", ("digits",), images, Y, 2), folder)
        self.trained: list[tuple[str, float]] = []
        self.failing: set[str] = set()

    def run(self, part: Part, seed: int, seconds: float) -> PartRun:
        self.trained.append((part.name, seconds))
        if part.name in self.failing:
            raise ProcessError("out of memory")
        out = self.path(part.name, seed)
        out.mkdir(parents=True, exist_ok=True)
        if part.kind in ("baseline", "stage_two"):
            np.savez(out / "found.npz", assignments=SOFT.argmax(axis=1))
            return PartRun(1.0, Measured(2.0, 300.0), {})
        np.savez(out / "assignments_soft.npz", output=SOFT)
        np.save(out / "pretrained_code.npy", CODE)
        seconds_of = {"pretrain": 80.0, "embed": 2.0, "graph": 1.0, "cluster": 5.0}
        stages = {name: {"seconds": value} for name, value in seconds_of.items()}
        stages |= {"train": {"seconds": 89.0}, "assign": {"seconds": 1.5}}
        (out / "manifest.json").write_text(json.dumps({"stages": stages}), encoding="utf-8")
        spent = 88.0 if part.kind == "icicle" else 30.0
        return PartRun(spent, Measured(100.0, 900.0), {"schedule": []})

    def attack(self, part: Part, seed: int) -> dict[str, Any]:
        return {"fgsm": {"clean": 1.0}}
