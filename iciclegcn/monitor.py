"""What a training loop tells the outside, and what it asks back after an interruption."""

from typing import Any, Protocol


class StageMonitor(Protocol):
    """The only channel between a training loop and the run folder or the terminal."""

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state of this stage, or None for a fresh start."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state atomically. Nested dicts and lists of tensors, numbers and strings only."""

    def log(self, step: int, **values: float) -> None:
        """Add one row of loss terms to the history."""

    def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
        """Tell how far the stage is; ``values`` are shown beside it."""

    def warn(self, message: str) -> None:
        """Tell the user something that does not stop the run."""


class NullMonitor:
    """Keeps nothing, shows nothing: for calling the methods from Python."""

    def load(self) -> dict[str, Any] | None:
        return None

    def save(self, state: dict[str, Any]) -> None:
        del state

    def log(self, step: int, **values: float) -> None:
        del step, values

    def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
        del done, total, unit, values

    def warn(self, message: str) -> None:
        del message
