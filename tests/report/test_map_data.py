import base64
import json
from pathlib import Path

import numpy as np

from iciclegcn.report.map_data import Map, cluster_centers, lay_out, map_chart, map_json
from iciclegcn.report.selection import certainty
from tests.report.example import example

CORNERS = np.array([[0, 0], [0.5, 0], [0.25, 0.5], [1, 0], [1, 1], [0, 1]])


def unpacked(text: str, kind: str) -> list[int]:
    return [int(value) for value in np.frombuffer(base64.b64decode(text), kind)]


def test_the_script_s_data_are_those_of_the_run(tmp_path: Path) -> None:
    contents = example(tmp_path, clusters=np.array([0, 0, 0, 1, 1, -1]))
    laid_out = Map(np.array([0, 3, 5]), CORNERS[[0, 1, 4]], "pca")
    sure = certainty(contents.soft, contents.clusters)
    data = json.loads(map_json(contents, laid_out, sure, np.array([1, 1, 1, 1, 1, 0], bool)))
    assert data["count"] == 3
    assert data["names"] == ["folder/0.png", "folder/3.png", "folder/5.png"]
    assert unpacked(data["xy"], "<u2") == [0, 0, 32768, 0, 65535, 65535]
    assert unpacked(data["cluster"], "<i4") == [0, 1, -1]
    assert unpacked(data["second"], "<i4") == [1, 0, 0]
    assert unpacked(data["confidence"], "<u2") == [52428] * 3
    assert unpacked(data["truth"], "<i4") == [0, 1, 0]
    assert unpacked(data["right"], "<u1") == [1, 1, 0]
    assert data["classes"] == ["cat", "dog"]
    assert data["sheet"]["side"] == 20
    assert len(data["colours"]) == 2


def test_without_truth_and_pictures_there_is_less(tmp_path: Path) -> None:
    contents = example(tmp_path, truth=False, pictures=False)
    laid_out = Map(np.arange(6), CORNERS, "pca")
    sure = certainty(contents.soft, contents.clusters)
    data = json.loads(map_json(contents, laid_out, sure, None))
    assert not {"sheet", "truth", "right", "classes"} & data.keys()


def test_names_cannot_end_the_script(tmp_path: Path) -> None:
    contents = example(tmp_path, paths=["</script><script>alert(1)</script>"] * 6)
    sure = certainty(contents.soft, contents.clusters)
    text = map_json(contents, Map(np.arange(6), CORNERS, "pca"), sure, None)
    assert "<" not in text
    assert json.loads(text)["names"][0] == "</script><script>alert(1)</script>"


def test_many_items_are_sampled_the_same_way_each_time(tmp_path: Path) -> None:
    contents = example(tmp_path)
    first, second = (lay_out(contents, "pca", most=4) for _ in range(2))
    assert len(first.rows) == len(set(first.rows.tolist())) == 4
    assert np.all(np.diff(first.rows) > 0)
    np.testing.assert_array_equal(first.rows, second.rows)
    assert lay_out(contents, "pca").rows.tolist() == list(range(6))


def test_the_figure_has_a_dot_an_item_and_a_number_a_cluster(tmp_path: Path) -> None:
    contents = example(tmp_path, clusters=np.array([0, 0, 0, 1, 1, -1]))
    laid_out = Map(np.arange(6), CORNERS, "pca")
    figure = map_chart(contents, laid_out)
    content = figure.drawing.content()
    assert content.count("<circle") == 6
    assert content.count("class='f-strong'") == 2
    assert cluster_centers(contents, laid_out) == {0: (0.25, 0.0), 1: (1.0, 0.5)}
    assert "6 of 6 images" in figure.text
