"""How many epochs fit a budget, from short trials of the same training on the same machine."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_TRIAL_SECONDS = (
    10.0  # of a trial whose first second says little: what a machine does besides tells
)
_MOST_TRIAL_EPOCHS = 50


class Trial(NamedTuple):
    """One short training.

    Attributes:
        epochs: Epochs of every kind, such as (before, after) the first graph.
        seconds: What they took together, with whatever comes once.
    """

    epochs: tuple[int, ...]
    seconds: float


class Costs(NamedTuple):
    """What a training takes.

    Attributes:
        once: Seconds that come once.
        per_epoch: Seconds of an epoch of every kind.
    """

    once: float
    per_epoch: tuple[float, ...]

    def seconds(self, epochs: Sequence[float]) -> float:
        """Seconds that so many epochs of every kind take."""
        return self.once + sum(e * c for e, c in zip(epochs, self.per_epoch, strict=True))


def longer_trial(shortest: Trial) -> int:
    """Epochs of a trial that lasts long enough to tell what one costs: 2 to 50.

    Args:
        shortest: One epoch of every kind.
    """
    return min(_MOST_TRIAL_EPOCHS, max(2, math.ceil(_TRIAL_SECONDS / shortest.seconds)))


def costs(trials: Sequence[Trial]) -> Costs:
    """Fit costs to trials by least squares.

    A cost that the noise of short trials makes negative, or 0, is an equal share of the longest
    trial instead: too few epochs come of it rather than no end of them.

    Args:
        trials: One more than there are kinds of epochs, at least.

    Raises:
        ValueError: If the trials do not tell the kinds apart.
    """
    table = np.array([(1, *trial.epochs) for trial in trials], dtype=float)
    seconds = np.array([trial.seconds for trial in trials])
    if np.linalg.matrix_rank(table) < table.shape[1]:
        raise ValueError(f"'trials' must tell {table.shape[1]} costs apart (got {list(trials)})")
    once, *per_epoch = np.linalg.lstsq(table, seconds, rcond=None)[0].tolist()
    longest = max(trials, key=lambda trial: trial.seconds)
    share = longest.seconds / sum(longest.epochs)
    return Costs(max(0.0, once), tuple(cost if cost > 0 else share for cost in per_epoch))


def fitting_epochs(costs: Costs, budget: float, shares: Sequence[float] = (1.0,)) -> int:
    """The most epochs, at least 1, that a budget pays for.

    Args:
        costs: What the training takes.
        budget: Seconds.
        shares: What part of the epochs is of every kind; sums to 1.
    """
    each = costs.seconds(shares) - costs.once
    # The fit is right to rounding: an epoch that fits by its letter fits.
    return max(1, math.floor((budget - costs.once) / each + 1e-9))
