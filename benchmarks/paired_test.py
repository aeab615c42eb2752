"""Whether two things that were measured in pairs differ."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from scipy.stats import ttest_1samp

SIGNIFICANT = 0.05


def paired_test(differences: Sequence[float], verdict: str) -> dict[str, Any]:
    """Two-sided t-test of paired differences, as plain values.

    Args:
        differences: One a pair, two or more.
        verdict: Name of the entry that says ``better`` (positive), ``worse`` or ``cannot be told``.

    Returns:
        ``mean_difference``, ``std``, ``p`` (None where all differences are equal), ``pairs`` and
        the verdict.
    """
    p = float(ttest_1samp(differences, 0.0).pvalue) if len(set(differences)) > 1 else math.nan
    mean = statistics.mean(differences)
    known = not math.isnan(p) and p < SIGNIFICANT
    return {
        "mean_difference": round(mean, 4),
        "std": round(statistics.stdev(differences), 4),
        "p": None if math.isnan(p) else round(p, 4),
        "pairs": len(differences),
        verdict: "cannot be told" if not known else "better" if mean > 0 else "worse",
    }
