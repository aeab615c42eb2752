import dataclasses
from pathlib import Path

import numpy as np

from iciclegcn.data.labels import Labels
from iciclegcn.report.selection import certainty
from iciclegcn.report.truth_part import cluster_classes, match, truth_part
from tests.report.example import example, soft_of


def test_the_match_is_that_of_the_accuracy() -> None:
    truth = Labels(np.array([0, 0, 0, 1, 1, 0]), ["cat", "dog"])
    found = match(np.array([1, 1, 1, 0, 0, 0]), truth)
    assert found.cluster_of_class.tolist() == [1, 0]
    assert found.right.tolist() == [True, True, True, True, True, False]


def test_the_unassigned_are_not_right_and_match_nothing() -> None:
    truth = Labels(np.array([0, 0, 1]), ["cat", "dog"])
    found = match(np.array([0, -1, -1]), truth)
    assert found.right.tolist() == [True, False, False]
    assert found.cluster_of_class.tolist() == [0, -1]
    nothing = match(np.array([-1, -1, -1]), truth)
    assert not nothing.right.any()


def test_clusters_are_described_by_their_most_frequent_class(tmp_path: Path) -> None:
    assert cluster_classes(example(tmp_path)) == ["cat (100%)", "dog (67%)"]
    assert cluster_classes(example(tmp_path, truth=False)) is None


def test_cases_are_sorted_by_confidence(tmp_path: Path) -> None:
    soft = soft_of(np.array([0, 0, 0, 1, 1, 1]), 2)
    soft[[0, 2]] = [[0.6, 0.4], [0.9, 0.1]]
    contents = example(tmp_path, soft=soft, pictures=False)
    assert contents.truth is not None
    sure, found = certainty(soft, contents.clusters), match(contents.clusters, contents.truth)
    part = truth_part(contents, sure, found)
    assert part is not None
    assert [figure.name for figure in part.figures] == ["confusion"]
    cats = part.html.split("<th scope='row'>cat")[1].split("</tr>")[0].split("<td ")[1:]
    assert [cell.count("<li") for cell in cats] == [3, 1, 0]
    assert [cats[0].index(f"folder/{row}.png") for row in (2, 1, 0)] == sorted(
        cats[0].index(f"folder/{row}.png") for row in (2, 1, 0)
    )
    assert "→ 1" in cats[1]  # where the missed cat went
    dogs = part.html.split("<th scope='row'>dog")[1].split("</tr>")[0].split("<td ")[1:]
    assert "cat</span>" in dogs[2]  # what the intruder is


def test_the_truth_that_cannot_be_read_again_leaves_the_scores(tmp_path: Path) -> None:
    contents = example(tmp_path, truth=True)
    sure = certainty(contents.soft, contents.clusters)
    part = truth_part(contents, sure, None)
    assert part is not None
    assert "0.833" in part.html
    assert part.figures == ()


def test_without_labels_there_is_no_such_part(tmp_path: Path) -> None:
    contents = example(tmp_path, truth=False)
    assert truth_part(contents, certainty(contents.soft, contents.clusters), None) is None


def test_more_classes_than_clusters_come_last(tmp_path: Path) -> None:
    truth = Labels(np.array([0, 1, 1, 2, 2, 2]), ["ant", "bee", "cat"])
    contents = example(tmp_path, clusters=np.array([1, 0, 0, 1, 1, 1]))
    contents = dataclasses.replace(contents, truth=truth)
    sure, found = certainty(contents.soft, contents.clusters), match(contents.clusters, truth)
    part = truth_part(contents, sure, found)
    assert part is not None
    chart = part.figures[0].drawing.content()
    assert chart.index(">bee</text>") < chart.index(">cat</text>") < chart.index(">ant</text>")
    assert "no cluster is left" in part.html
