import sys

import numpy as np
import pytest

from iciclegcn.evaluation.num_clusters import Curves
from iciclegcn.evaluation.num_clusters_plot import plot_num_clusters
from iciclegcn.evaluation.suggestion import Suggestion

NUMBERS = np.arange(2, 6)
CURVES = Curves(NUMBERS, *np.random.default_rng(0).random((4, 3, 4)))
FOUND = Suggestion(3, 3, 4, (3, 4), [3], [3], [3], "")


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.parametrize(
    ("suggestion", "title"),
    [
        (FOUND, "suggestion: 3 clusters (3 to 4 do as well)"),
        (
            FOUND._replace(high=5, about_as_well=(3, 5)),
            "suggestion: 3 clusters (3 and 5 do as well)",
        ),
        (FOUND._replace(high=3, about_as_well=(3,)), "suggestion: 3 clusters"),
        (Suggestion(None, None, None, (), [], [], [], ""), "cannot tell the number of clusters"),
    ],
)
def test_curves_become_a_picture(suggestion: Suggestion, title: str, kind: str) -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    content = plot_num_clusters(CURVES, suggestion, kind)
    assert content is not None
    if kind == "png":
        assert content.startswith(b"\x89PNG")
    else:  # the letters are outlines, with what they say in a comment
        assert f"<!-- {title} -->".encode() in content
        assert b"<!-- number of clusters -->" in content
        shaded = content.count(b"fill: #b3562e; opacity: 0.12")
        assert shaded == 3 * len(suggestion.about_as_well)  # in each of three panels


def test_without_matplotlib_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plot_num_clusters(CURVES, FOUND) is None
