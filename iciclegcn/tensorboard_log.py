"""What TensorBoard shows of a run: written only when asked for, beside the run's own history."""

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from iciclegcn.errors import UserError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


def require_tensorboard() -> None:
    """Refuse early what could not be written later.

    Raises:
        UserError: If TensorBoard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError("'--tensorboard' needs tensorboard: pip install 'iciclegcn[tensorboard]'")


def open_writer(run: Path, part: str, first_step: int = 0) -> "SummaryWriter":
    """A writer of events in ``tensorboard/<part>`` of a run folder.

    Args:
        run: The run folder.
        part: A stage, or ``results``.
        first_step: What was written before from this step on is void.
    """
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run / FOLDER / part), purge_step=first_step)


class ScalarLog:
    """Rows of a stage's history as curves, while they come; use as a ``with`` block.

    An interrupted stage that goes on repeats some steps: what was written of them is void.

    Args:
        run: The run folder.
        stage: Name of the stage.
    """

    def __init__(self, run: Path, stage: str) -> None:
        self._run, self._stage = run, stage
        self._writer: SummaryWriter | None = None

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add one row."""
        if self._writer is None:
            self._writer = open_writer(self._run, self._stage, step)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Put everything on the disk."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> "ScalarLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def forget(run: Path) -> None:
    """Remove what was written for TensorBoard before."""
    if (run / FOLDER).is_dir():
        shutil.rmtree(run / FOLDER)
