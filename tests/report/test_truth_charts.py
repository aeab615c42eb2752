import numpy as np
import pytest

from iciclegcn.evaluation.calibration import calibration
from iciclegcn.report.truth_charts import confusion_chart, reliability_chart, risk_chart

SURE = calibration(np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), [0, 1, 1, 0])


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
    assert "class='f-inverse'" not in figure.drawing.content()
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
