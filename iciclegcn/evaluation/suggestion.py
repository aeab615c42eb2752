"""From the figures of every number of clusters to a suggestion, or to none."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iciclegcn.evaluation.num_clusters import Curves

# Two halves of the data must agree this well, and this many neighbours stay together.
LEAST_STABILITY = 0.8
LEAST_TOGETHERNESS = 0.8
# The silhouette moves slowly near its best.
SILHOUETTE_SHARE = 0.9
# Beyond such a range between the smallest and the largest number that does as well, none is one.
WIDEST = 2.0


class Suggestion(NamedTuple):
    """What the figures say of the number of clusters.

    Attributes:
        num_clusters: The suggestion; None: they cannot tell.
        low: The smallest number that does as well; None without one.
        high: The largest; None without one.
        stable: Numbers whose clusters come out alike on both halves.
        together: Numbers whose clusters part few neighbours.
        separated: Numbers whose silhouette is close to the best, and above that of one cloud.
        reason: Why, in one sentence.
    """

    num_clusters: int | None
    low: int | None
    high: int | None
    stable: list[int]
    together: list[int]
    separated: list[int]
    reason: str


def suggest_num_clusters(curves: Curves) -> Suggestion:
    """The most stable of the numbers that every criterion accepts.

    Accepted is a number of clusters whose stability and togetherness are at least .8 on average
    over the resamples, and whose silhouette is at least .9 of the best one's and above all that a
    single cloud of the same covariance gave. As good as the suggestion is an accepted number whose
    stability is below the suggestion's by at most the standard deviation over the resamples.

    Nothing is suggested when no number is accepted, when the suggestion is the last candidate, so
    that larger ones might be better, or when numbers that do as well range over a factor of two.

    Args:
        curves: Of two or more candidates.
    """
    numbers = curves.num_clusters
    stability, silhouette = curves.stability.mean(axis=0), curves.silhouette.mean(axis=0)
    stable = stability >= LEAST_STABILITY
    together = curves.togetherness.mean(axis=0) >= LEAST_TOGETHERNESS
    separated = silhouette >= SILHOUETTE_SHARE * silhouette.max()
    separated &= silhouette > curves.silhouette_of_one.max(axis=0)
    accepted = stable & together & separated
    sets = [numbers[kind].tolist() for kind in (stable, together, separated)]
    if not accepted.any():
        return Suggestion(None, None, None, *sets, _disagreement(*sets))
    # Of equally stable ones, the better separated.
    best = max(np.flatnonzero(accepted), key=lambda i: (stability[i], silhouette[i]))
    close = accepted & (stability >= stability[best] - curves.stability[:, best].std())
    low, high = int(numbers[close].min()), int(numbers[close].max())
    chosen = int(numbers[best])
    if best == len(numbers) - 1:
        reason = f"the best is the last of the range, {chosen}: larger ones might be better still"
        return Suggestion(None, low, high, *sets, reason)
    if high > WIDEST * low:
        reason = f"everything from {low} to {high} does about as well"
        return Suggestion(None, low, high, *sets, reason)
    reason = "stable on halves of the data, separated, and parts few neighbours"
    return Suggestion(chosen, low, high, *sets, reason)


def _disagreement(stable: list[int], together: list[int], separated: list[int]) -> str:
    """Which criterion stands alone."""
    if not stable:
        return "no number of clusters comes out alike on two halves of the data"
    if not separated:
        return "no number of clusters is better separated than one cloud would be"
    if not together:
        return "every number of clusters parts too many neighbours: groups run into each other"
    return (
        f"the criteria disagree: {spans(stable)} come out alike on halves of the data, "
        f"{spans(separated)} are well separated, {spans(together)} part few neighbours"
    )


def spans(numbers: list[int] | NDArray[np.int64]) -> str:
    """Numbers as text: ``2, 9 to 12``.

    Args:
        numbers: Ascending.
    """
    parts: list[list[int]] = []
    for number in map(int, numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(
        str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts
    )
