"""How the training went: loss terms and changing assignments, stage by stage."""

from collections import defaultdict
from collections.abc import Sequence

from iciclegcn.report.contents import Contents
from iciclegcn.report.curves import CHANGES, Curve, curve_chart, read_curves
from iciclegcn.report.html import figure, section, text
from iciclegcn.report.part import Part
from iciclegcn.report.svg import Figure

_STAGES = {
    "pretrain": "Stage 1: contrastive pretraining",
    "encode": "Pretraining of the auto-encoder",
    "cluster": "Stage 2: graph streams and auto-encoder together",
    "train": "Training of the classifier",
}


def training_part(contents: Contents) -> Part | None:
    """Small charts side by side, a group for each stage; None: nothing was logged."""
    by_stage: dict[str, list[Curve]] = defaultdict(list)
    for curve in read_curves(contents.history):
        by_stage[curve.stage].append(curve)
    if not by_stage:
        return None
    figures: list[Figure] = []
    groups = []
    for stage, curves in by_stage.items():
        drawn = [curve_chart(curve) for curve in _ordered(curves)]
        figures += drawn
        groups.append(
            f"<h3 class='group'>{text(_STAGES.get(stage, stage))}</h3>"
            f"<div class='figures small'>{''.join(map(figure, drawn))}</div>"
        )
    intro = "Each point is the mean of some steps, the band spans their least and greatest value."
    if any(curve.name == CHANGES for curves in by_stage.values() for curve in curves):
        intro += (
            f" Changed assignments are the share of {contents.noun} whose cluster differs from "
            "the time before: they settle when the training does."
        )
    html = section("training", "Training", intro, *groups)
    return Part("training", "Training", html, tuple(figures))


def _ordered(curves: Sequence[Curve]) -> list[Curve]:
    """The total first, then the changes, then the terms as they were logged."""
    rank = {"loss": 0, CHANGES: 1}
    return sorted(curves, key=lambda curve: rank.get(curve.name, 2))
