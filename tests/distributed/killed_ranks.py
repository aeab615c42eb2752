"""A run on two processes that saves every epoch; started by test_launch in its own process."""

import sys
import warnings
from functools import partial
from pathlib import Path

from iciclegcn.distributed.launch import Job, launch, processes
from iciclegcn.errors import UserError
from tests.tiny_run import tiny_config

EPOCHS, STEPS = 8, 3


def run(folder: Path, images: Path) -> int:
    """The run itself, on rank 0."""
    # PyTorch Geometric's import, as in the command line.
    warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated")
    from iciclegcn.methods import pretraining
    from iciclegcn.pipeline import run as run_pipeline

    pretraining.SAVE_INTERVAL = -1.0
    config = tiny_config(
        images,
        pretrain__epochs=EPOCHS,
        mgcn__partition="cells",
        mgcn__cell_size=30,
        mgcn__cells_per_step=2,
    )
    run_pipeline(config, folder)
    return 0


def refuse() -> int:
    """A job with a user's mistake."""
    raise UserError("nothing fits")


def tell(error: BaseException) -> int:
    """What the command line would print."""
    print(f"told: {error}", file=sys.stderr, flush=True)
    return 2


def main(words: list[str]) -> int:
    """``FOLDER IMAGES`` runs; ``refuse`` makes a mistake."""
    job = refuse if words == ["refuse"] else partial(run, Path(words[0]), Path(words[1]))
    return launch(Job(job, tell), processes(2, 1), "cpu")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
