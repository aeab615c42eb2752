import numpy as np
import pytest

from iciclegcn.report.curves import curve_chart, curve_title, read_curves

HISTORY = [
    *({"stage": "pretrain", "step": step, "loss": float(step), "note": "x"} for step in range(10)),
    {"stage": "cluster", "step": 0, "loss": 5.0},
    {"stage": "cluster", "step": 1, "loss": 4.0, "changed": 0.25},
]


def test_curves_are_by_stage_and_name() -> None:
    found = read_curves(HISTORY)
    assert [(curve.stage, curve.name) for curve in found] == [
        ("pretrain", "loss"),
        ("cluster", "loss"),
        ("cluster", "changed"),
    ]
    assert found[2].step.tolist() == [1]
    assert found[2].mean.tolist() == [0.25]


def test_long_curves_are_thinned_to_means_and_bands() -> None:
    curve = read_curves(HISTORY, points=5)[0]
    assert curve.step.tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert curve.mean.tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert curve.low.tolist() == [0, 2, 4, 6, 8]
    assert curve.high.tolist() == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("points", [1, 3, 7, 200])
def test_thinning_keeps_every_step(points: int) -> None:
    curve = read_curves(HISTORY, points=points)[0]
    assert (curve.low.min(), curve.high.max()) == (0, 9)
    assert len(curve.step) == min(points, 10)
    assert np.all(np.diff(curve.step) > 0)


def test_a_chart_says_where_it_began_and_ended() -> None:
    loss, changed = (curve_chart(curve) for curve in read_curves(HISTORY)[1:])
    assert loss.name == "cluster_loss"
    assert loss.text == "From 5 to 4."
    assert changed.title == "Changed assignments"
    assert changed.text == "From 25.0% to 25.0%."
    assert ">share</text>" in changed.drawing.content()
    assert " %</text>" in changed.drawing.content()


def test_quantities_have_words() -> None:
    assert curve_title("kl_stream_1") == "divergence of stream 1"
    assert curve_title("instance") == "instance loss"
    assert curve_title("something_new") == "something new"


def test_an_empty_history_has_no_curves() -> None:
    assert read_curves([]) == []
