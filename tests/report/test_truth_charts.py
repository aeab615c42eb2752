import re

import numpy as np
import pytest

from iciclegcn.evaluation.calibration import calibration
from iciclegcn.report.svg import STYLE
from iciclegcn.report.theme import DARK, LIGHT
from iciclegcn.report.truth_charts import confusion_chart, reliability_chart, risk_chart
from tests.report.test_theme import contrast

SURE = calibration(np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), [0, 1, 1, 0])


def colour_of(kind: str, colours: dict[str, str]) -> str:
    """What a class of the figures is filled with."""
    found = re.search(rf"^\.{kind} {{ fill: var\(--([a-z-]+)\)", STYLE, re.MULTILINE)
    assert found is not None
    return colours[found[1]]


def blended(colour: str, ground: str, opacity: float) -> str:
    """A colour through which the ground shines."""
    pairs = [
        (int(colour[place : place + 2], 16), int(ground[place : place + 2], 16))
        for place in (1, 3, 5)
    ]
    values = [round(opacity * above + (1 - opacity) * below) for above, below in pairs]
    return "#" + "".join(f"{value:02x}" for value in values)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_every_number_can_be_read_on_its_cell(colours: dict[str, str]) -> None:
    cells = []
    for count in range(1, 101):  # shares of 1 % to all
        table = np.array([[count, 100 - count], [0, 0]])
        content = confusion_chart(table, ["cat", "dog"], [0, 1]).drawing.content()
        rect = re.search(r"<rect class='([\w-]+)'.*? fill-opacity='([\d.]+)'", content)
        number = re.search(
            rf"<text class='([\w-]+)'[^>]*>{count}</text>", content[content.index("<rect") :]
        )
        assert rect is not None
        assert number is not None
        ground = blended(colour_of(rect[1], colours), colours["card"], float(rect[2]))
        cells.append((contrast(colour_of(number[1], colours), ground), float(rect[2])))
    assert min(cells)[0] >= 4.5
    assert [opacity for _, opacity in cells] == pytest.approx(
        0.05 + 0.0095 * np.arange(1, 101), abs=0.006
    )


def test_cells_are_shaded_by_their_share_of_the_class() -> None:
    figure = confusion_chart(np.array([[3, 1], [0, 4]]), ["cat", "dog"], [7, 2])
    content = figure.drawing.content()
    assert "cat, cluster 7: 3 (75.0%)" in content
    assert "dog, cluster 7: 0 (0.0%)" in content
    assert content.count("fill-opacity='1'") == 1  # all dogs
    assert ">3</text>" in content
    assert "7 of 8 lie on the diagonal" in figure.text


def test_large_tables_have_no_numbers_but_tips() -> None:
    table = np.diag(np.full(50, 9))
    figure = confusion_chart(table, [f"class {c}" for c in range(50)], list(range(50)))
    assert "class='f-value'" not in figure.drawing.content()
    assert "class 49, cluster 49: 9 (100.0%)" in figure.drawing.content()
    assert figure.drawing.width < 700


def test_faint_cells_of_very_large_tables_are_left_out() -> None:
    table = np.diag(np.full(200, 99)) + 1
    figure = confusion_chart(table, [str(c) for c in range(200)], list(range(200)))
    assert figure.drawing.content().count("<rect") == 200


def test_hostile_class_names_stay_text() -> None:
    figure = confusion_chart(np.array([[1]]), ["<img src=x>"], [0])
    assert "<img" not in figure.inline()


@pytest.mark.parametrize(
    ("confidence", "accuracy", "verdict"),
    [
        (0.9, 0.6, "surer than it is right"),
        (0.5, 0.7, "less sure than it is right"),
        (0.61, 0.6, "about as sure as it is right"),
    ],
)
def test_calibration_is_said_in_words(confidence: float, accuracy: float, verdict: str) -> None:
    figures = SURE.figures() | {"confidence": confidence, "accuracy": accuracy}
    assert verdict in reliability_chart(figures).text


def test_every_filled_bin_has_a_bar_and_a_dot() -> None:
    content = reliability_chart(SURE.figures()).drawing.content()
    filled = sum(bool(each.size) for each in SURE.bins)
    assert content.count("class='f-bar'") == content.count("<circle") == filled == 3


def test_risk_is_told_at_half_and_at_all() -> None:
    figure = risk_chart(SURE.figures())
    # Right: rows 0, 2 and 3; of the two most confident ones row 1 is wrong.
    assert "most confident half 50.0% are in a wrong cluster, of all 25.0%" in figure.text


def test_figures_that_count_the_unassigned_say_so() -> None:
    sure = reliability_chart(SURE.figures(), "rows", some_unassigned=True).text
    assert "75.0% right (of all rows, also those left unassigned); expected" in sure
    risk = risk_chart(SURE.figures(), some_unassigned=True).text
    assert "wrong cluster, of all, also those left unassigned, 25.0%;" in risk
    assert "unassigned" not in reliability_chart(SURE.figures()).text
