"""Outliers and near-duplicates, where the run lists them."""

import numpy as np

from iciclegcn.errors import UserError
from iciclegcn.report.clusters_part import shot
from iciclegcn.report.contents import Contents
from iciclegcn.report.html import section
from iciclegcn.report.part import Part
from iciclegcn.report.pictures import Thumbnails, thumbnails
from iciclegcn.report.selection import Certainty

_MOST_OUTLIERS = 24
_MOST_GROUPS = 12
_MOST_MEMBERS = 6
_BUDGET = 300_000  # bytes of text
_SIDE = 64


def oddities_part(contents: Contents, sure: Certainty) -> Part | None:
    """Items far from all others, and groups that are all but equal; None: nothing is listed.

    Args:
        contents: The run.
        sure: As `iciclegcn.report.selection.certainty` gives it.
    """
    outliers, groups = _outliers(contents), _groups(contents)
    rows = [*outliers, *(row for group in groups for row in group)]
    if not rows:
        return None
    pictures = None
    if contents.images is not None:
        pictures = thumbnails(contents.images, rows, side=_SIDE, budget=_BUDGET)
    blocks = []
    if outliers:
        blocks.append(
            "<h3 class='group'>Outliers</h3><p>Far from their nearest neighbours, the farthest "
            f"first. outliers.csv lists all.</p>{_shots(outliers, contents, sure, pictures)}"
        )
    if groups:
        listed = "".join(f"<li>{_shots(group, contents, sure, pictures)}</li>" for group in groups)
        blocks.append(
            "<h3 class='group'>Near-duplicates</h3><p>Groups whose features are all but equal. "
            f"near_duplicates.csv lists all.</p><ul class='groups'>{listed}</ul>"
        )
    return Part("oddities", "Oddities", section("oddities", "Oddities", "", *blocks))


def _shots(
    rows: list[int], contents: Contents, sure: Certainty, pictures: Thumbnails | None
) -> str:
    items = "".join(shot(row, contents, sure, pictures) for row in rows)
    return f"<ul class='shots{'' if pictures else ' names'}'>{items}</ul>"


def _outliers(contents: Contents) -> list[int]:
    try:
        found = contents.artefacts.read_outliers()
    except UserError:  # an early run
        return []
    return [int(row) for row in found.indices[:_MOST_OUTLIERS]]


def _groups(contents: Contents) -> list[list[int]]:
    try:
        found = contents.artefacts.read_near_duplicates()
    except UserError:
        return []
    return [
        [int(row) for row in found.indices[found.groups == group][:_MOST_MEMBERS]]
        for group in np.unique(found.groups)[:_MOST_GROUPS]
    ]
