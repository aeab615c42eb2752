from iciclegcn.report.html import details, figure, section, table, text
from iciclegcn.report.svg import Drawing, Figure


def test_text_of_a_run_cannot_become_markup() -> None:
    assert text("<b a='\"'>&") == "&lt;b a=&#x27;&quot;&#x27;&gt;&amp;"
    assert text("caf\udce9") == "caf?"  # a file name that is no UTF-8
    assert text(3) == "3"


def test_tables_name_their_rows_and_columns() -> None:
    html = table(["a", "b"], [["x", "1"], ["<y>", "2"]], "Numbers")
    assert "<caption>Numbers</caption>" in html
    assert "<th scope='col' class='words'>a</th><th scope='col'>b</th>" in html
    assert "<tr><th scope='row'>&lt;y&gt;</th><td>2</td></tr>" in html
    assert "tabindex='0'" in html  # a keyboard can scroll it


def test_parts_have_headings_and_anchors() -> None:
    html = section("map", "Map", "An <em>intro</em>.", "<p>one</p>", "<p>two</p>")
    assert html.startswith("<section id='map' aria-labelledby='map-h'><h2 id='map-h'>Map</h2>")
    assert "<em>intro</em>" in html
    assert html.endswith("<p>one</p><p>two</p></section>")


def test_figures_say_what_they_show() -> None:
    html = figure(Figure("sizes", "Sizes", "Two & two.", Drawing(10, 10)))
    assert "<figure id='figure-sizes'>" in html
    assert "<figcaption>Two &amp; two.</figcaption>" in html


def test_details_open_when_asked_for() -> None:
    assert details("More", "<p>x</p>") == "<details><summary>More</summary><p>x</p></details>"
