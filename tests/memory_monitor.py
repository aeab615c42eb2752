"""A monitor that keeps in memory what a training tells, for tests to look at."""

import io
from typing import Any

import torch

from iciclegcn.monitor import NullMonitor


class Interrupted(Exception):
    """Stands for a kill: nothing of the training runs after it."""


class MemoryMonitor(NullMonitor):
    """Keeps states as the bytes of a file, which allows in them what a run folder allows.

    Args:
        saved: What another monitor of an interrupted training ``saved`` last.
        stop_after: Epoch after whose saving the training is interrupted.

    Attributes:
        saved: States, as bytes.
        rows: Step and values of every row of the history.
        done: Images done, and of how many.
        shown: Values beside every progress.
        warnings: Told to the user.
    """

    def __init__(self, saved: bytes | None = None, stop_after: int | None = None) -> None:
        self.saved = [] if saved is None else [saved]
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.done: list[tuple[int, int]] = []
        self.shown: list[dict[str, float]] = []
        self.warnings: list[str] = []
        self._stop_after = stop_after

    @property
    def epochs(self) -> list[int]:
        """After how many epochs a state was saved."""
        return [int(_loaded(state)["epoch"]) for state in self.saved]

    def load(self) -> dict[str, Any] | None:
        return _loaded(self.saved[-1]) if self.saved else None

    def save(self, state: dict[str, Any]) -> None:
        stream = io.BytesIO()
        torch.save(state, stream)
        self.saved.append(stream.getvalue())
        if self._stop_after is not None and state["epoch"] == self._stop_after:
            raise Interrupted

    def log(self, step: int, **values: float) -> None:
        self.rows.append((step, values))

    def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
        assert unit == "image"
        self.shown.append(values)
        self.done.append((done, total))

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def _loaded(state: bytes) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(io.BytesIO(state), weights_only=True)
    return found
