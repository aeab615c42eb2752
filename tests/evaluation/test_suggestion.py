import numpy as np
import pytest

from iciclegcn.evaluation.num_clusters import Curves
from iciclegcn.evaluation.suggestion import Suggestion, spans, suggest_num_clusters

NUMBERS = np.arange(2, 12)
PEAK = [0.9, 0.5, 0.6, 0.7, 0.97, 0.9, 0.85, 0.7, 0.6, 0.5]  # of stability, at 6
HILL = [0.3, 0.4, 0.5, 0.6, 0.65, 0.62, 0.55, 0.5, 0.4, 0.3]  # of the silhouette, at 6


def suggest(
    stability: list[float],
    silhouette: list[float],
    of_one: float = 0.1,
    togetherness: float = 0.95,
    spread: float = 0.0,
    numbers: np.ndarray = NUMBERS,
    pairs: int = 1,
) -> Suggestion:
    """From pairs of resamples around the given means."""
    shift = np.array([[-spread], [spread]] * pairs)
    curves = Curves(
        numbers,
        np.array(stability) + shift,
        np.array(silhouette) + 0 * shift,
        np.full((2 * pairs, len(numbers)), of_one),
        np.full((2 * pairs, len(numbers)), togetherness),
    )
    return suggest_num_clusters(curves)


def test_where_all_criteria_agree_is_the_suggestion() -> None:
    found = suggest(PEAK, HILL)
    assert (found.num_clusters, found.low, found.high) == (6, 6, 6)
    assert found.about_as_well == (6,)
    assert found.stable == [2, 6, 7, 8]
    assert found.separated == [5, 6, 7]
    assert found.together == NUMBERS.tolist()


def test_numbers_within_the_error_of_the_best_do_as_well() -> None:
    stability = [*PEAK[:4], 0.925, 0.95, *PEAK[6:]]  # two resamples: their spread is the error
    found = suggest(stability, HILL, spread=0.03)
    assert (found.num_clusters, found.low, found.high) == (6, 6, 7)
    assert found.about_as_well == (6, 7)
    found = suggest(stability, HILL, spread=0.03, pairs=4)  # more resamples tell more
    assert (found.num_clusters, found.low, found.high) == (7, 7, 7)
    found = suggest(stability, HILL, spread=0.001)
    assert (found.num_clusters, found.low, found.high) == (7, 7, 7)
    close = [*PEAK[:4], 0.94, 0.95, *PEAK[6:]]  # within .015, however small the error
    assert suggest(close, HILL, spread=0.001).num_clusters == 6


def test_what_lies_between_numbers_that_do_as_well_need_not() -> None:
    stability = [0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5]  # at 5 and 10
    found = suggest(stability, [0.6] * 10)
    assert (found.num_clusters, found.low, found.high) == (5, 5, 10)
    assert found.about_as_well == (5, 10)
    assert found.stable == [5, 10]
    found = suggest([0.9, *stability[1:]], [0.6] * 10)
    assert found.num_clusters is None
    assert found.about_as_well == (2, 5, 10)
    assert found.reason == "2, 5 and 10 do about as well, which is too wide a range"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stability": [0.5] * 10}, "no number of clusters comes out alike"),
        ({"of_one": 0.6}, "no number of clusters is much better separated"),
        ({"togetherness": 0.7}, "parts too many neighbours"),
        (
            {"stability": [0.95, 0.9] + [0.5] * 8},
            "disagree: 2 to 3 come out alike on halves of the data, 5 to 7 are well separated",
        ),
        ({"stability": [0.5] * 9 + [0.9], "silhouette": sorted(HILL)}, "the last of the range, 11"),
    ],
)
def test_it_says_when_it_cannot_tell(changes: dict[str, list[float]], reason: str) -> None:
    given = {"stability": PEAK, "silhouette": HILL} | changes
    found = suggest(**given)  # type: ignore[arg-type]
    assert found.num_clusters is None
    assert (found.low is None) == (found.about_as_well == ())
    assert reason in found.reason


def test_the_first_of_a_range_that_leaves_smaller_ones_out_is_no_answer() -> None:
    falling = [0.95, 0.9, 0.85] + [0.5] * 7
    assert suggest(falling, sorted(HILL, reverse=True)).num_clusters == 2
    found = suggest(falling, sorted(HILL, reverse=True), numbers=NUMBERS + 3)
    assert found.num_clusters is None
    assert "the first of the range, 5" in found.reason


def test_a_factor_of_two_is_too_wide() -> None:
    flat = [0.9] * 8 + [0.5] * 2
    reason = "2 to 9 do about as well, which is too wide a range"
    assert suggest(flat, [0.6] * 10).reason == reason
    assert suggest([0.5, 0.5, *flat[2:]], [0.6] * 10, numbers=NUMBERS + 2).num_clusters == 6


def test_a_silhouette_counts_from_that_of_one_cloud() -> None:
    # .65 is .27 of the way from .52 to 1, and .24 of that from .54.
    assert suggest(PEAK, HILL, of_one=0.52).num_clusters == 6
    assert suggest(PEAK, HILL, of_one=0.54).num_clusters is None


def test_spans_are_short() -> None:
    assert spans([2, 4, 5, 6, 9, 10]) == "2, 4 to 6, 9 to 10"
    assert spans([]) == ""
    assert spans([5, 10], last=" and ") == "5 and 10"
    assert spans([2, 4, 5, 6, 10], last=" and ") == "2, 4 to 6 and 10"
    assert spans([10, 11, 12], last=" and ") == "10 to 12"
