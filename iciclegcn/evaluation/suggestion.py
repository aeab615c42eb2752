"""From the figures of every number of clusters to a suggestion, or to none."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iciclegcn.evaluation.num_clusters import Curves

# Two halves of the data must agree this well, and this many neighbours stay together.
LEAST_STABILITY = 0.8
LEAST_TOGETHERNESS = 0.8
# The silhouette moves slowly near its best. Cutting one cloud gives a silhouette above 0 too; from
# there to 1 a quarter of the way is the least, as .25 is for Kaufman and Rousseeuw (1990), below
# which they see "no substantial structure".
SILHOUETTE_SHARE = 0.9
LEAST_SEPARATION = 0.25
# Stabilities closer than this, or than the standard error of the best, are as good as equal.
EQUAL_STABILITY = 0.015
# Where the numbers that do as well range over more than this factor, none is the answer.
WIDEST = 2.0


class Suggestion(NamedTuple):
    """What the figures say of the number of clusters.

    Attributes:
        num_clusters: The suggestion; None: they cannot tell.
        low: The smallest number that does as well; None without one.
        high: The largest; None without one.
        about_as_well: All that do, the suggestion among them, ascending: some between ``low`` and
            ``high`` may not; empty without one.
        stable: Numbers whose clusters come out alike on both halves.
        together: Numbers whose clusters part few neighbours.
        separated: Numbers whose silhouette is close to the best, and well above that of one cloud.
        reason: Why, in one sentence.
    """

    num_clusters: int | None
    low: int | None
    high: int | None
    about_as_well: tuple[int, ...]
    stable: list[int]
    together: list[int]
    separated: list[int]
    reason: str


def suggest_num_clusters(curves: Curves) -> Suggestion:
    """The smallest of the numbers that every criterion accepts and none is more stable than.

    Accepted is a number of clusters whose stability and togetherness are at least .8 on average
    over the resamples, and whose silhouette is at least .9 of the best one's and a quarter of the
    way to 1 from what cutting a single cloud of the same covariance gives. Accepted numbers do as
    well as each other when their stability is below the best of them by no more than its standard
    error, or than .015; the smallest is suggested, as the one-standard-error rule of model
    selection has it.

    Nothing is suggested when no number is accepted; when it would be the last candidate, so that
    larger ones might be better, or likewise the first; or when those that do as well range over
    more than a factor of two.

    Args:
        curves: Of two or more candidates.
    """
    numbers = curves.num_clusters
    stability, silhouette = curves.stability.mean(axis=0), curves.silhouette.mean(axis=0)
    stable = stability >= LEAST_STABILITY
    together = curves.togetherness.mean(axis=0) >= LEAST_TOGETHERNESS
    separated = silhouette >= SILHOUETTE_SHARE * silhouette.max()
    of_one = curves.silhouette_of_one.mean(axis=0)
    separated &= silhouette - of_one >= LEAST_SEPARATION * (1 - of_one)
    accepted = stable & together & separated
    sets = (numbers[stable].tolist(), numbers[together].tolist(), numbers[separated].tolist())
    if not accepted.any():
        return Suggestion(None, None, None, (), *sets, _disagreement(*sets))
    best = np.where(accepted, stability, -np.inf).argmax()
    values = curves.stability[:, best]
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    least = stability[best] - max(error, EQUAL_STABILITY)
    close = tuple(numbers[accepted & (stability >= least)].tolist())
    low, high = close[0], close[-1]
    doubt = _doubt(close, numbers)
    if doubt:
        return Suggestion(None, low, high, close, *sets, doubt)
    reason = "stable on halves of the data, separated, and parts few neighbours"
    return Suggestion(low, low, high, close, *sets, reason)


def _doubt(close: tuple[int, ...], numbers: NDArray[np.int64]) -> str:
    """Why the numbers that do as well are no answer; nothing where they are."""
    low, high = close[0], close[-1]
    if high > WIDEST * low:
        return f"{spans(close, last=' and ')} do about as well, which is too wide a range"
    if high == numbers[-1]:
        return f"the last of the range, {high}, is among the best: larger ones may be better still"
    if low == numbers[0] and low > 2:
        return f"the first of the range, {low}, is among the best: smaller ones may be better still"
    return ""


def _disagreement(stable: list[int], together: list[int], separated: list[int]) -> str:
    """Which criterion stands alone."""
    if not stable:
        return "no number of clusters comes out alike on two halves of the data"
    if not separated:
        return "no number of clusters is much better separated than pieces of one cloud would be"
    if not together:
        return "every number of clusters parts too many neighbours: groups run into each other"
    return (
        f"the criteria disagree: {spans(stable)} come out alike on halves of the data, "
        f"{spans(separated)} are well separated, {spans(together)} part few neighbours"
    )


def spans(numbers: Sequence[int] | NDArray[np.int64], *, last: str = ", ") -> str:
    """Numbers as text: ``2, 9 to 12``.

    Args:
        numbers: Ascending.
        last: What stands before the last of several.
    """
    parts: list[list[int]] = []
    for number in map(int, numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    texts = [str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])}{last}{texts[-1]}"
