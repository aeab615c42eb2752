"""The global random generators, left as they were found."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def kept_random_state() -> Iterator[None]:
    """Give Python's, numpy's and torch's generators back their state when the block ends.

    A runtime seeds them; a library called from somebody's program must not.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        # All GPUs' too, where there are any.
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
