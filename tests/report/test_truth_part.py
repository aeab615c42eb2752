import dataclasses
import re
from pathlib import Path

import numpy as np

from iciclegcn.data.labels import Labels
from iciclegcn.evaluation.calibration import calibration
from iciclegcn.report.contents import Contents
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
    cases = part.html.split("<table class='cases'>")[1]
    cats = cases.split("<th scope='row'>cat")[1].split("</tr>")[0].split("<td ")[1:]
    assert [cell.count("<li") for cell in cats] == [3, 1, 0]
    assert [cats[0].index(f"folder/{row}.png") for row in (2, 1, 0)] == sorted(
        cats[0].index(f"folder/{row}.png") for row in (2, 1, 0)
    )
    assert "→ 1" in cats[1]  # where the missed cat went
    dogs = cases.split("<th scope='row'>dog")[1].split("</tr>")[0].split("<td ")[1:]
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


def part_html(contents: Contents) -> str:
    assert contents.truth is not None
    found = match(contents.clusters, contents.truth)
    part = truth_part(contents, certainty(contents.soft, contents.clusters), found)
    assert part is not None
    return part.html


def test_the_matrix_is_a_table_too(tmp_path: Path) -> None:
    html = part_html(example(tmp_path))
    table = html.split("<details><summary>Classes against clusters as a table")[1]
    rows = re.findall("<tr>(.*?)</tr>", table.split("</details>")[0])
    cells = [re.findall(">([^<>]+)</t[hd]>", row) for row in rows]
    assert cells == [["class", "cluster 0", "cluster 1"], ["cat", "3", "1"], ["dog", "0", "2"]]


def test_the_table_ends_where_nobody_could_read_it(tmp_path: Path) -> None:
    found = []
    for count in (100, 101):
        clusters = np.arange(count)
        truth = Labels(clusters, [f"class {number}" for number in range(count)])
        contents = example(
            tmp_path,
            clusters=clusters,
            soft=soft_of(clusters, count),
            paths=[str(row) for row in range(count)],
            images=None,
        )
        found.append(part_html(dataclasses.replace(contents, truth=truth)))
    assert "Classes against clusters as a table" in found[0]
    assert found[0].count("<td>1</td>") == 100
    assert "Classes against clusters as a table" not in found[1]


def test_calibration_is_said_to_be_of_all_where_some_are_unassigned(tmp_path: Path) -> None:
    contents = example(tmp_path)
    assert contents.truth is not None
    sure = {"output": calibration(contents.soft, contents.truth.y).figures()}
    contents = dataclasses.replace(contents, metrics={**contents.metrics, "calibration": sure})
    assert "unassigned" not in part_html(contents)
    some = dataclasses.replace(contents, clusters=np.array([0, 0, 0, 1, 1, -1]))
    html = part_html(some)
    assert "83.3% right (of all images, also those left unassigned)" in html
    assert "ECE: expected calibration error, of all images" in html
