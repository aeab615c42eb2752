"""A hook of the documentation site: equations become pictures while it is built.

The pages hold TeX between dollar signs, which code hosts show as well. matplotlib's mathtext sets
it here, so that a reader's browser loads no program for it; the TeX stays as the text alternative.
"""

import html
import re
from functools import cache
from typing import Any

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from mkdocs.exceptions import PluginError

_SIZE = 100.0  # units of an em in the pictures
_LARGER = 1.1  # than the text around: the font's letters are low
_MARGIN = 4.0
_EQUATION = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
# What TeX knows by another name than mathtext.
_SYNONYMS = {r"\lVert": r"\|", r"\rVert": r"\|", r"\lvert": "|", r"\rvert": "|"}
_FONT = FontProperties(math_fontfamily="stix")
_LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}


def on_page_content(content: str, *, page: Any, **_: object) -> str:
    """Put pictures where a page's equations are.

    Args:
        content: The page as HTML, with equations as pymdownx.arithmatex leaves them.
        page: Named when an equation cannot be set.

    Raises:
        PluginError: If an equation cannot be set.
    """

    def picture(match: re.Match[str]) -> str:
        tex = " ".join(html.unescape(match["tex"]).split())
        if (
            match["tag"] == "div"
        ):  # TeX sets displayed fractions large, mathtext where it is asked to
            tex = tex.replace(r"\frac", r"\dfrac")
        try:
            drawn = draw(tex)
        except ValueError as error:
            raise PluginError(f"'{page.file.src_uri}': cannot set '{tex}' ({error})") from error
        name = "equation" if match["tag"] == "span" else "equation displayed"
        return f'<{match["tag"]} class="{name}">{drawn}</{match["tag"]}>'

    return _EQUATION.sub(picture, content)


@cache
def draw(tex: str) -> str:
    """An equation as SVG, as high as the text around it and standing on its line.

    Args:
        tex: What is between the dollar signs; what mathtext knows of TeX's mathematics.

    Raises:
        ValueError: If mathtext does not understand it.
    """
    known = re.sub(r"\\[a-zA-Z]+", lambda match: _SYNONYMS.get(match[0], match[0]), tex)
    outline = TextPath((0, 0), f"${known}$", size=_SIZE, prop=_FONT)
    box = outline.get_extents()
    left, bottom = box.x0 - _MARGIN, box.y0 - _MARGIN
    width, height = box.width + 2 * _MARGIN, box.height + 2 * _MARGIN
    style = f"width:{_em(width)};height:{_em(height)};vertical-align:{_em(bottom)}"
    view = f"{left:.0f} {-box.y1 - _MARGIN:.0f} {width:.0f} {height:.0f}"
    return (
        f'<svg role="img" aria-label="{html.escape(tex)}" viewBox="{view}" style="{style}">'
        f'<path d="{_commands(outline)}"/></svg>'
    )


def _commands(outline: TextPath) -> str:
    """The outline as SVG's path commands; its y axis points down."""
    words = []
    for points, code in outline.iter_segments(curves=True):
        if code == Path.CLOSEPOLY:
            words.append("Z")
            continue
        pairs = points.reshape(-1, 2)
        words.append(_LETTERS[code] + " ".join(f"{x:.0f} {-y:.0f}" for x, y in pairs))
    return "".join(words)


def _em(units: float) -> str:
    return f"{units / _SIZE * _LARGER:.2f}em"
