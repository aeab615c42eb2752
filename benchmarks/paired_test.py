"""Does one row beat another over the same seeds? A two-sided paired t-test, and what it says."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import ttest_1samp

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be told"
LEVEL = 0.05


class Paired(NamedTuple):
    """Differences of two rows over pairs that share a seed.

    Attributes:
        mean: Mean difference.
        std: Standard deviation over the pairs; 0 for a single one.
        p: Two-sided probability of a mean so far from 0 by chance; None where no test is possible.
        pairs: Number of pairs.
    """

    mean: float
    std: float
    p: float | None
    pairs: int

    @property
    def verdict(self) -> str:
        """What becomes of the claim that the differences are positive."""
        if self.p is None or self.p >= LEVEL:
            return UNKNOWN
        return HOLDS if self.mean > 0 else FAILS


def paired_test(differences: Sequence[float]) -> Paired:
    """Test whether differences are 0 on average.

    Args:
        differences: One a pair, positive where the claim is right; one at least.
    """
    mean = statistics.mean(differences)
    spread = statistics.stdev(differences) if len(differences) > 1 else 0.0
    p = math.nan
    if len(set(differences)) > 1:  # equal differences have no spread to test against
        p = float(ttest_1samp(differences, 0.0).pvalue)
    return Paired(mean, spread, None if math.isnan(p) else p, len(differences))
