"""The monitor of one stage of a run: state and history into the folder, the rest to the reader."""

import pickle
import time
from pathlib import Path
from typing import Any

from iciclegcn.errors import UserError
from iciclegcn.progress import Reporter
from iciclegcn.run_folder.files import write_atomically
from iciclegcn.run_folder.history import History
from iciclegcn.tensorboard_log import ScalarLog

# What torch.load raises for a file that is cut short or something else.
_DAMAGE = (OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, pickle.PickleError)


class RunMonitor:
    """A `iciclegcn.monitor.StageMonitor` on a run folder; use as a ``with`` block.

    Args:
        checkpoint: File of the stage's unfinished state.
        history: File of the loss terms.
        history_start: Bytes of the history when the stage began.
        stage: Name of the stage.
        reporter: Shown the progress.
        scalars: Gets every row of loss terms too; closed with this.

    Raises:
        UserError: If there is a state and it is damaged.
    """

    def __init__(
        self,
        checkpoint: Path,
        history: Path,
        history_start: int,
        stage: str,
        reporter: Reporter,
        scalars: ScalarLog | None = None,
    ) -> None:
        self._checkpoint = checkpoint
        self._stage = stage
        self._reporter = reporter
        self._state, length, self._seconds = _read_checkpoint(checkpoint, history_start)
        self._history = History(history, length)
        self._scalars = scalars
        self._started = time.monotonic()

    def __enter__(self) -> "RunMonitor":
        return self

    def __exit__(self, *_: object) -> None:
        self._history.close()
        if self._scalars is not None:
            self._scalars.close()

    def load(self) -> dict[str, Any] | None:
        """The state that an interrupted process saved last, or None."""
        state, self._state = self._state, None  # it can be large: not kept
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state, with the length that the history has now."""
        import torch  # the command line's help must not load it

        content = {
            "history_bytes": self._history.sync(),
            "seconds": self._elapsed(),
            "state": state,
        }
        write_atomically(self._checkpoint, lambda stream: torch.save(content, stream))

    def log(self, step: int, **values: float) -> None:
        """Add one row of loss terms."""
        self._history.append(self._stage, step, values)
        if self._scalars is not None:
            self._scalars.append(step, values)

    def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
        """Show how far the stage is."""
        self._reporter.progress(done, total, unit, values)

    def note(self, message: str) -> None:
        """Show a line that stays."""
        self._reporter.note(message)

    def warn(self, message: str) -> None:
        """Show a warning."""
        self._reporter.warn(message)

    def finish(self) -> float:
        """Put the history on the disk; return the seconds spent in the stage, by all processes."""
        self._history.sync()
        return self._elapsed()

    def _elapsed(self) -> float:
        return self._seconds + time.monotonic() - self._started


def _read_checkpoint(file: Path, history_start: int) -> tuple[dict[str, Any] | None, int, float]:
    """State, bytes of history and seconds spent; a fresh start where there is no file."""
    if not file.exists():
        return None, history_start, 0.0
    import torch

    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        return content["state"], int(content["history_bytes"]), float(content["seconds"])
    except _DAMAGE as error:
        raise UserError(
            f"'{file}' is damaged; delete it to repeat the stage from its start"
        ) from error
