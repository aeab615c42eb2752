import pytest
from hypothesis import given
from hypothesis import strategies as st

from iciclegcn.report.axes import Axes, tick_text, ticks


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [
        (0, 10, 5, [0, 2, 4, 6, 8, 10]),
        (0, 1, 4, [0, 0.5, 1]),
        (0.3, 9.2, 4, [0, 5, 10]),
        (-3, 3, 3, [-4, -2, 0, 2, 4]),
        (0, 0, 2, [-0.5, 0, 0.5]),
        (1199, 1201, 2, [1199, 1200, 1201]),
    ],
)
def test_ticks_are_round_and_cover(
    low: float, high: float, about: int, expected: list[float]
) -> None:
    assert ticks(low, high, about) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_cover_any_range_with_few_steps(low: float, span: float, about: int) -> None:
    found = ticks(low, low + span, about)
    assert found[0] <= low + 1e-6 * span
    assert found[-1] >= low + span - 1e-6 * span
    assert 2 <= len(found) <= about + 2


@pytest.mark.parametrize(
    ("value", "among", "percent", "expected"),
    [
        (0.5, [0, 0.5, 1], False, "0.5"),
        (1500, [0, 500, 1000, 1500], False, "1,500"),
        (0.05, [0, 0.05], False, "0.05"),
        (-0.0, [-1, -0.0], False, "0"),
        (0.5, [0, 0.5], True, "50 %"),
        (0.005, [0, 0.005], True, "0.5 %"),
        (2e7, [0, 1e7, 2e7], False, "2e+07"),
    ],
)
def test_tick_texts_have_the_digits_they_need(
    value: float, among: list[float], percent: bool, expected: str
) -> None:
    assert tick_text(value, among, percent=percent) == expected


def test_values_map_linearly_and_upwards() -> None:
    axes = Axes(200, 100, (0, 10), (0, 4), "step", "loss")
    assert axes.x(5) == pytest.approx((axes.x(0) + axes.x(10)) / 2)
    assert axes.y(0) > axes.y(4)
    assert axes.points([0, 10], [0, 4]) == [(axes.x(0), axes.y(0)), (axes.x(10), axes.y(4))]


def test_axes_are_labelled() -> None:
    content = Axes(200, 100, (0, 1), (0, 1), "confidence", "share", percent=True).drawing.content()
    assert ">confidence</text>" in content
    assert ">share</text>" in content
    assert ">100 %</text>" in content
