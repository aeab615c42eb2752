import re
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
pytest.importorskip("matplotlib", reason="the extra docs is not installed")

from mkdocs.exceptions import PluginError

from docs.site.equations import draw, on_page_content

PAGE = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))


def numbers(pattern: str, svg: str) -> list[float]:
    found = re.search(pattern, svg)
    assert found is not None
    return [float(number) for number in found.groups()]


def test_a_letter_stands_on_the_line_and_a_subscript_hangs_below() -> None:
    depth = r"vertical-align:(-?[\d.]+)em"
    [letter], [subscript] = numbers(depth, draw("x")), numbers(depth, draw("x_j"))
    assert letter == pytest.approx(-0.05, abs=0.03)  # the margin
    assert subscript < letter - 0.1


def test_a_fraction_is_higher_than_its_letters_and_a_product_wider() -> None:
    size = r"width:([\d.]+)em;height:([\d.]+)em"
    width, height = numbers(size, draw("a"))
    assert numbers(size, draw(r"\frac{a}{b}"))[1] > 1.4 * height
    assert numbers(size, draw("a b c"))[0] > 2.5 * width


def test_the_picture_is_as_high_as_its_outline() -> None:
    svg = draw("|")
    _, top, _, height = numbers(r'viewBox="(-?\d+) (-?\d+) (\d+) (\d+)"', svg)
    ys = [int(y) for y in re.findall(r"[MLQC ]-?\d+ (-?\d+)", svg.partition('d="')[2])]
    assert top < min(ys) <= max(ys) < top + height


def test_the_tex_stays_as_text() -> None:
    assert 'role="img" aria-label="a &lt; b"' in draw("a < b")


def test_norms_have_tex_s_names_too() -> None:
    outline = [draw(tex).partition(" d=")[2] for tex in (r"\lVert x\rVert", r"\| x\|")]
    assert outline[0] == outline[1]


def test_equations_of_a_page_are_replaced() -> None:
    page = (
        r'<p>With <span class="arithmatex">\(a &lt; b\)</span>:</p>'
        '<div class="arithmatex">\\[\\frac{a}\n{b}\\]</div>'
    )
    html = on_page_content(page, page=PAGE)
    assert html == (
        f'<p>With <span class="equation">{draw("a < b")}</span>:</p>'
        f'<div class="equation displayed">{draw(chr(92) + "dfrac{a} {b}")}</div>'
    )


def test_a_page_without_equations_stays() -> None:
    assert on_page_content("<p>$5</p>", page=PAGE) == "<p>$5</p>"


def test_an_equation_that_cannot_be_set_stops_the_build() -> None:
    with pytest.raises(PluginError, match=r"'page.md': cannot set '\\nothing'"):
        on_page_content(r'<span class="arithmatex">\(\nothing\)</span>', page=PAGE)
