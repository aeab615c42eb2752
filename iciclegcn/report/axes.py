"""A plotting area with labelled axes."""

import math
from collections.abc import Iterable

from iciclegcn.report.svg import Drawing

_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 20, 8, 40


class Axes:
    """Linear axes in a drawing of their own, with ticks, grid lines and labels.

    Args:
        width: Of the whole drawing, pixels.
        height: Of the whole drawing, pixels.
        x_range: Lowest and highest value of the horizontal axis.
        y_range: Likewise, vertical; widened to whole ticks.
        x_label: What the horizontal axis shows, with its unit.
        y_label: Likewise, vertical.
        percent: Whether the vertical axis shows shares as percent.
        percent_x: The same for the horizontal axis.
    """

    def __init__(
        self,
        width: int,
        height: int,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        x_label: str,
        y_label: str,
        *,
        percent: bool = False,
        percent_x: bool = False,
    ) -> None:
        self.drawing = Drawing(width, height)
        y_ticks = ticks(*y_range, 4)
        self._x_range = _widened(*x_range)
        self._y_range = _widened(min(y_range[0], y_ticks[0]), max(y_range[1], y_ticks[-1]))
        self._draw(ticks(*self._x_range, 5), y_ticks, x_label, y_label, percent, percent_x)

    def x(self, value: float) -> float:
        """Where a value lies on the horizontal axis, pixels."""
        low, high = self._x_range
        return _LEFT + (value - low) / (high - low) * (self.drawing.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Where a value lies on the vertical axis, pixels."""
        low, high = self._y_range
        height = self.drawing.height - _TOP - _BOTTOM
        return _TOP + (high - value) / (high - low) * height

    def points(self, xs: Iterable[float], ys: Iterable[float]) -> list[tuple[float, float]]:
        """Pairs of values as pixels."""
        return [(self.x(x), self.y(y)) for x, y in zip(xs, ys, strict=True)]

    def _draw(
        self,
        x_ticks: list[float],
        y_ticks: list[float],
        x_label: str,
        y_label: str,
        percent: bool,
        percent_x: bool,
    ) -> None:
        drawing = self.drawing
        right, bottom = drawing.width - _RIGHT, drawing.height - _BOTTOM
        for value in y_ticks:
            drawing.line(_LEFT, self.y(value), right, self.y(value), "f-grid")
            text = tick_text(value, y_ticks, percent=percent)
            drawing.text(_LEFT - 6, self.y(value) + 4, text, anchor="end")
        drawing.line(_LEFT, bottom, right, bottom, "f-axis")
        for value in x_ticks:
            if not self._x_range[0] <= value <= self._x_range[1]:
                continue
            drawing.line(self.x(value), bottom, self.x(value), bottom + 4, "f-axis")
            text = tick_text(value, x_ticks, percent=percent_x)
            drawing.text(self.x(value), bottom + 16, text, anchor="middle")
        middle = (_LEFT + right) / 2
        drawing.text(middle, drawing.height - 6, x_label, anchor="middle")
        drawing.text(11, (_TOP + bottom) / 2, y_label, anchor="middle", turned=True)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers that cover a range: steps of 1, 2 or 5 times a power of ten.

    Args:
        low: Lowest value.
        high: Highest value.
        about: How many steps are wanted.
    """
    low, high = _widened(low, high)
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def tick_text(value: float, among: list[float], *, percent: bool = False) -> str:
    """A tick's number, with as many digits as tell it from its neighbours."""
    step = abs(among[1] - among[0]) if len(among) > 1 else abs(value)
    if percent:
        digits = max(0, -math.floor(math.log10(100 * step) + 1e-9)) if step else 0
        return f"{100 * value:.{digits}f} %"
    largest = max(abs(each) for each in among)
    if largest >= 1e6 or (largest and largest < 1e-3):
        return f"{value:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0
    return f"{value + 0.0:,.{digits}f}"


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range that is not empty."""
    if high > low:
        return low, high
    return low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5
