"""Drawings in SVG: for the page, which styles them, and as files that stand alone."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from iciclegcn.report.theme import with_light_colours

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"

# Every figure is drawn with these alone; the page and the files share them.
STYLE = f"""
.f-grid {{ stroke: var(--line); stroke-width: 1; }}
.f-axis {{ stroke: var(--muted); stroke-width: 1; }}
.f-dashed {{ stroke: var(--muted); stroke-width: 1; stroke-dasharray: 4 3; fill: none; }}
.f-bar {{ fill: var(--accent); }}
.f-cell {{ fill: var(--cell); }}
.f-curve {{ fill: none; stroke: var(--accent); stroke-width: 1.6; stroke-linejoin: round; }}
.f-warm {{ fill: none; stroke: var(--warm); stroke-width: 1.6; stroke-linejoin: round; }}
.f-dot {{ fill: var(--warm); }}
.f-band {{ fill: var(--accent); fill-opacity: 0.18; }}
.f-text {{ fill: var(--muted); font: 11px {FONT}; }}
.f-strong {{ fill: var(--ink); font: 600 12px {FONT}; }}
.f-value {{ fill: var(--ink); font: 11px {FONT}; }}
"""


class Figure(NamedTuple):
    """A finished figure.

    Attributes:
        name: What its file and its element are called: lower case, digits and underscores.
        title: What it shows, a few words.
        text: What it says, for those who cannot see it: one sentence or two.
        drawing: The picture.
    """

    name: str
    title: str
    text: str
    drawing: "Drawing"

    def inline(self) -> str:
        """The picture as an element of the page."""
        size = f"viewBox='0 0 {self.drawing.width} {self.drawing.height}'"
        size += f" width='{self.drawing.width}' height='{self.drawing.height}'"
        return (
            f"<svg class='figure' {size} role='img' aria-labelledby='{self.name}-t {self.name}-d'>"
            f"<title id='{self.name}-t'>{escape(self.title)}</title>"
            f"<desc id='{self.name}-d'>{escape(self.text)}</desc>{self.drawing.content()}</svg>"
        )

    def standalone(self) -> str:
        """The picture as a file, titled, on white ground."""
        width, height = self.drawing.width, self.drawing.height + 28
        return (
            "<svg xmlns='http://www.w3.org/2000/svg' "
            f"viewBox='0 0 {width} {height}' width='{width}' height='{height}'>"
            f"<title>{escape(self.title)}</title><desc>{escape(self.text)}</desc>"
            f"<style>{with_light_colours(STYLE)}</style>"
            f"<rect width='{width}' height='{height}' fill='#ffffff'/>"
            f"<text class='f-strong' x='10' y='20'>{escape(self.title)}</text>"
            f"<g transform='translate(0 28)'>{self.drawing.content()}</g></svg>\n"
        )


class Drawing:
    """Shapes on a canvas; x to the right, y down, in pixels.

    Args:
        width: Of the canvas.
        height: Of the canvas.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._parts: list[str] = []

    def content(self) -> str:
        """All shapes, in the order they were drawn."""
        return "".join(self._parts)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """A straight line; ``kind`` is a class of `STYLE`."""
        self._parts.append(
            f"<line class='{kind}' x1='{_n(x1)}' y1='{_n(y1)}' x2='{_n(x2)}' y2='{_n(y2)}'/>"
        )

    def curve(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """A line through points."""
        self._parts.append(f"<polyline class='{kind}' points='{_points(points)}'/>")

    def area(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """A filled outline."""
        self._parts.append(f"<polygon class='{kind}' points='{_points(points)}'/>")

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        kind: str = "",
        *,
        fill: str | None = None,
        opacity: float | None = None,
        title: str | None = None,
    ) -> None:
        """A rectangle; ``title`` is shown when the pointer rests on it."""
        style = f" class='{kind}'" if kind else ""
        style += f" fill='{fill}'" if fill else ""
        style += f" fill-opacity='{_n(opacity)}'" if opacity is not None else ""
        inner = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(
            f"<rect{style} x='{_n(x)}' y='{_n(y)}' width='{_n(max(width, 0))}' "
            f"height='{_n(max(height, 0))}' rx='1.5'>{inner}</rect>"
        )

    def dot(
        self, x: float, y: float, radius: float, kind: str = "", *, fill: str | None = None
    ) -> None:
        """A small disc."""
        style = f"class='{kind}'" if kind else f"fill='{fill}'"
        self._parts.append(f"<circle {style} cx='{_n(x)}' cy='{_n(y)}' r='{_n(radius)}'/>")

    def image(self, x: float, y: float, size: float, source: str) -> None:
        """A picture, as a ``data:`` address, in a square."""
        self._parts.append(
            f"<image x='{_n(x)}' y='{_n(y)}' width='{_n(size)}' height='{_n(size)}' "
            f"href='{escape(source)}'/>"
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        kind: str = "f-text",
        *,
        anchor: str = "start",
        turned: bool = False,
    ) -> None:
        """A line of text at its baseline; ``anchor`` is ``start``, ``middle`` or ``end``."""
        style = f" text-anchor='{anchor}'" if anchor != "start" else ""
        style += f" transform='rotate(-90 {_n(x)} {_n(y)})'" if turned else ""
        self._parts.append(
            f"<text class='{kind}' x='{_n(x)}' y='{_n(y)}'{style}>{escape(text)}</text>"
        )


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(value: float) -> str:
    """A coordinate without needless digits."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
