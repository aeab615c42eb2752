import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.data.labels import Labels
from iciclegcn.report.contents import Contents
from iciclegcn.report.page import page
from iciclegcn.report.write import make_parts
from tests.report.example import example

VOID = {"meta", "link", "img", "input", "br"}


class Checker(HTMLParser):
    """Collects elements, and notices tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def made(contents: Contents) -> str:
    return page(contents, make_parts(contents, "pca"))


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return checker


def test_the_page_is_sound_and_its_ids_are_unique(tmp_path: Path) -> None:
    found = checked(made(example(tmp_path))).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [
        str(attributes["href"])[1:]
        for tag, attributes in found
        if tag == "a" and str(attributes.get("href")).startswith("#")
    ]
    assert {"summary", "clusters", "map", "truth", "training"} <= set(targets) <= set(ids)


def test_every_picture_and_control_has_words(tmp_path: Path) -> None:
    html = made(example(tmp_path))
    found = checked(html).found
    pictures = [attributes for tag, attributes in found if tag == "img"]
    assert pictures
    assert all(attributes["alt"] for attributes in pictures)
    drawings = [attributes for tag, attributes in found if tag == "svg"]
    assert all(attributes["role"] == "img" for attributes in drawings)
    assert all(attributes["aria-labelledby"] for attributes in drawings)
    assert ("html", {"lang": "en"}) in found


def test_nothing_points_outside(tmp_path: Path) -> None:
    html = made(example(tmp_path))
    for tag, attributes in checked(html).found:
        for name in ("src", "href", "data", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert "default-src 'none'" in html
    assert "@import" not in html
    assert not re.search(r"url\((?!data:)", html)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>'\"&.png"
    contents = example(
        tmp_path,
        paths=[hostile] * 6,
        notes=(hostile,),
        history=[{"stage": hostile, "step": 0, hostile: 1.0}],
    )
    found = checked(made(contents)).found
    assert not [tag for tag, attributes in found if "onerror" in attributes]
    assert len([tag for tag, _ in found if tag == "script"]) == 2  # the map's data and the code


def test_without_truth_nothing_claims_to_be_right(tmp_path: Path) -> None:
    html = made(example(tmp_path, truth=False))
    checked(html)
    assert "id='truth'" not in html
    assert "No truth was given" in html
    assert "right or wrong" not in html


def test_without_pictures_items_have_names(tmp_path: Path) -> None:
    html = made(example(tmp_path, pictures=False))
    checked(html)
    assert "<img" not in html
    assert "<code>folder/4.png</code>" in html


@pytest.mark.parametrize("method", ["gcc", "self-label", "ruc"])
def test_every_method_has_its_name(method: str, tmp_path: Path) -> None:
    contents = example(tmp_path)
    base = ".." if method in ("self-label", "ruc") else None
    config = dataclasses.replace(contents.config, method=method, base=base)
    names = {"gcc": "GCC", "self-label": "Self-labelling", "ruc": "RUC"}
    assert f"{names[method]} sorted 6 images" in made(dataclasses.replace(contents, config=config))


def test_a_pretrained_network_is_named_as_such(tmp_path: Path) -> None:
    contents = example(tmp_path)
    assert "pretrained network" not in made(contents)
    backbone = {"name": "some-net", "trained_on": "supervised ImageNet weights", "frozen": True}
    html = made(dataclasses.replace(contents, metrics={**contents.metrics, "backbone": backbone}))
    assert "a pretrained network, some-net (supervised ImageNet weights), left as it is" in html


def test_what_a_reader_must_know_is_said(tmp_path: Path) -> None:
    contents = example(tmp_path, clusters=np.array([0, 0, 0, 0, 0, -1]), truth=False)
    after = {"empty_clusters": 1, "largest_share": 0.8, "collapsed": True}
    contents.metrics["collapse"] = {"after_clustering": after}  # type: ignore[index]
    contents.metrics["silhouette"] = 0.05  # type: ignore[index]
    contents.manifest.set_data({"num_images": 6, "skipped": 2, "shape": [6, 3, 20, 20]})
    html = made(contents)
    assert "No truth was given" in html
    assert "1 cluster is empty and the largest one holds 80% of the images" in html
    assert "The silhouette is low (0.050)" in html
    assert "1 images were too uncertain and are left unassigned" in html
    assert "2 files could not be read" in html


def test_a_cluster_that_swallows_the_others_is_not_told_as_empty_ones(tmp_path: Path) -> None:
    contents = example(tmp_path)
    after = {"empty_clusters": 0, "largest_share": 0.8, "collapsed": True}
    metrics = {**contents.metrics, "collapse": {"after_clustering": after}}
    html = made(dataclasses.replace(contents, metrics=metrics))
    assert "No cluster is empty, but the largest one holds 80% of the images" in html
    assert "have died" not in html


def test_shares_of_the_largest_cluster_count_the_unassigned(tmp_path: Path) -> None:
    contents = example(tmp_path, clusters=np.array([0, 0, 0, 1, 1, -1]))
    metrics = {**contents.metrics, "cluster_sizes": [3, 2]}
    html = made(dataclasses.replace(contents, metrics=metrics))
    tile = html.split("<dt>Largest cluster</dt>")[1].split("</div>")[0]
    assert tile.startswith("<dd>50.0%</dd>")
    assert "smallest cluster 33.3%" in tile
    assert "<td>50.0%</td>" in html  # the table of the sizes says the same


def test_accuracy_is_said_to_be_of_those_with_a_cluster(tmp_path: Path) -> None:
    assert "83.3% of them are in the one" in made(example(tmp_path))
    some = example(tmp_path, clusters=np.array([0, 0, 0, 1, 1, -1]))
    assert "83.3% of those with a cluster are in the one" in made(some)


def test_hundreds_of_clusters_and_classes_are_shortened(tmp_path: Path) -> None:
    count = 300
    clusters = np.arange(count)
    soft = np.full((count, count), 0.5 / (count - 1))
    soft[clusters, clusters] = 0.5
    labels = Labels(clusters, [f"class {number}" for number in range(count)])
    contents = dataclasses.replace(
        example(tmp_path),
        clusters=clusters,
        soft=soft,
        paths=[str(row) for row in range(count)],
        x=np.random.default_rng(0).normal(size=(count, 4)),
        images=None,
        truth=labels,
    )
    neighbors = (clusters[:, None] + 1) % count
    np.savez(
        tmp_path / "neighbors.npz",
        indices=neighbors,
        squared_distances=np.ones((count, 1), np.float32),
    )
    metrics = {**contents.metrics, "cluster_sizes": [1] * count}
    html = made(dataclasses.replace(contents, metrics=metrics))
    checked(html)
    assert html.count("class='card'") == 100
    assert "The 100 largest of 300 clusters" in html
    assert "the 20 largest of 300 classes" in html
    assert len(html) < 2_000_000
