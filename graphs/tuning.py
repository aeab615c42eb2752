"""How hard an approximate index must look for the recall asked for, measured on a sample."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphs.approximate import ApproximateSearch
from graphs.exact import ExactSearch
from graphs.neighbor_lists import neighbor_lists
from graphs.plan import MOST_CANDIDATES
from graphs.refine import SPARE
from graphs.rows import Rows

_SAMPLE_ROWS = 1000
_CODED = ("ivf_sq8", "ivf_pq")
# Distances measured twice in float64 differ by less.
_ROUNDING = 1 + 1e-12


class Tuned(NamedTuple):
    """What was reached and how.

    Attributes:
        effort: Cells searched for a query, or ``efSearch``.
        candidates: Candidates measured for a query.
        recall: Share of the true neighbours found.
        error: Its standard error.
        sample_size: Rows that it was measured on.
    """

    effort: int
    candidates: int
    recall: float
    error: float
    sample_size: int

    def reaches(self, target: float) -> bool:
        """Whether the recall is no less than the target, by a standard error."""
        return self.recall - self.error >= target


def tune(
    rows: Rows,
    search: ApproximateSearch,
    exact: ExactSearch,
    k: int,
    target: float,
    block_bytes: int,
    seed: int,
) -> Tuned:
    """Raise the effort until a sample of the rows finds enough of its true neighbours.

    The effort doubles until the target is reached or more would not be worth its time; of the
    numbers of candidates that reach it too, the smallest is taken. ``search.effort`` is left as
    found.

    Args:
        rows: The rows searched.
        search: The index.
        exact: An exact search of the same rows, which tells the truth.
        k: Neighbours of each row.
        target: Recall asked for, in (0, 1].
        block_bytes: Memory for a block of queries.
        seed: Draws the sample.

    Returns:
        The settings and the recall they reach; below the target if nothing reaches it.
    """
    size = min(rows.num_rows, _SAMPLE_ROWS)
    sample = np.random.default_rng(seed).choice(rows.num_rows, size, replace=False)
    sample = np.sort(sample).astype(np.int64)
    most = min(k + 1 + SPARE, rows.num_rows)
    _, truth = neighbor_lists(rows, exact, k, most, block_bytes, numbers=sample)

    def measure(effort: int, candidates: int) -> Tuned:
        search.effort = effort
        _, found = neighbor_lists(
            rows, search, k, candidates, block_bytes, numbers=sample, repair=False
        )
        return Tuned(effort, candidates, *recall(found, truth), size)

    ladder = candidate_ladder(k, rows.num_rows, search.kind)
    best = measure(search.effort, ladder[-1])
    while not best.reaches(target) and best.effort < search.most_effort:
        best = measure(min(2 * best.effort, search.most_effort), ladder[-1])
    for candidates in ladder[:-1] if best.reaches(target) else ():
        fewer = measure(best.effort, candidates)
        if fewer.reaches(target):
            return fewer
    search.effort = best.effort
    return best


def candidate_ladder(k: int, num_rows: int, kind: str) -> list[int]:
    """Numbers of candidates to try, ascending: codes rank roughly, whole rows rightly."""
    few = k + 1 + SPARE
    times = [2**power for power in range(1, MOST_CANDIDATES.bit_length())]
    wanted = [few, *(time * (k + 1) for time in times)] if kind in _CODED else [few]
    return sorted({min(max(number, few), num_rows) for number in wanted})


def recall(found: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[float, float]:
    """Share of neighbours no farther than the true k-th, and its standard error over the rows.

    A neighbour as near as the true k-th counts, whichever row it is: ties are no misses.

    Args:
        found: Squared distances of the neighbours found [Q, k].
        truth: Those of the true neighbours [Q, k].
    """
    hits = (found <= truth[:, -1:] * _ROUNDING).mean(axis=1)
    error = hits.std(ddof=1) / np.sqrt(len(hits)) if len(hits) > 1 else 0.0
    return float(hits.mean()), float(error)
