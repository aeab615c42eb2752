"""The key of the map's colours in headless Chromium: it is that of the colouring."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from iciclegcn.data.labels import Labels
from iciclegcn.report.page import page
from iciclegcn.report.theme import LIGHT, cluster_colours
from iciclegcn.report.write import make_parts
from tests.report.example import example, soft_of
from tests.report.visits import Visit, needs_chromium

if TYPE_CHECKING:
    pass

pytest.importorskip("playwright", reason="playwright is not installed")
pytestmark = needs_chromium

COUNT = 60
CLASSES = ["ant", "bee", "cat"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty rows in three clusters: two in a wrong one, two unassigned."""
    folder = tmp_path_factory.mktemp("run")
    truth = np.arange(COUNT) % 3
    clusters = np.where(np.arange(COUNT) < 2, -1, truth)
    clusters[2:4] = (truth[2:4] + 1) % 3
    contents = example(
        folder,
        pictures=False,
        clusters=clusters,
        soft=soft_of(np.where(clusters < 0, truth, clusters), 3),
        paths=[f"rows/{row:02}" for row in range(COUNT)],
        x=np.random.default_rng(0).normal(size=(COUNT, 5)) + 6 * np.eye(3, 5)[truth],
    )
    contents.metrics["cluster_sizes"] = [20, 19, 19]  # type: ignore[index]
    np.savez(
        folder / "neighbors.npz",
        indices=(np.arange(COUNT)[:, None] + 3) % COUNT,
        squared_distances=np.ones((COUNT, 1), np.float32),
    )
    contents = dataclasses.replace(contents, truth=Labels(truth, CLASSES))
    file = folder / "report.html"
    file.write_text(page(contents, make_parts(contents, "pca")), encoding="utf-8")
    return file


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))})"


def swatches(visit: Visit) -> list[str]:
    script = "all => all.map((each) => getComputedStyle(each).backgroundColor)"
    found: list[str] = visit.page.eval_on_selector_all("#map-legend .swatch", script)
    return found


def painted(visit: Visit, colour: str) -> bool:
    """Whether some pixel of the map has a colour, faint as dots are."""
    visit.stage("zoom")
    values = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    found: bool = visit.page.evaluate(
        "(wanted) => { const c = document.getElementById('map-canvas');"
        " const copy = document.createElement('canvas'), into = copy.getContext('2d');"
        " [copy.width, copy.height] = [c.width, c.height]; into.drawImage(c, 0, 0);"
        " const d = into.getImageData(0, 0, c.width, c.height).data;"
        " for (let i = 0; i < d.length; i += 4)"
        " if (d[i + 3] > 200 && wanted.every((w, k) => Math.abs(d[i + k] - w) <= 2)) return true;"
        " return false; }",
        values,
    )
    return found


def test_the_legend_is_that_of_the_colouring(visit: Visit) -> None:
    page, legend, items = visit.page, "#map-legend", "#map-legend li"
    assert page.get_attribute(legend, "aria-label") == "Clusters shown"
    assert page.locator(f"{legend} button").all_inner_texts()[:-1] == ["unassigned", "0", "1", "2"]
    page.select_option("#map-colour", "class")
    assert page.locator(items).all_inner_texts() == CLASSES
    assert swatches(visit) == [rgb(colour) for colour in cluster_colours(3)]
    assert page.get_attribute(legend, "aria-label") == "Colours of the classes"
    assert page.locator(f"{legend} button").count() == 0
    page.select_option("#map-colour", "right")
    assert page.locator(items).all_inner_texts() == ["right", "wrong", "unassigned"]
    assert swatches(visit)[1:] == [rgb(LIGHT["bad"]), rgb(LIGHT["accent"])]
    page.select_option("#map-colour", "confidence")
    assert page.locator(items).inner_text().split("\n")[0].startswith("0, unsure")
    assert "1, sure" in page.locator(items).inner_text()
    ramp = page.evaluate("getComputedStyle(document.querySelector('.ramp')).backgroundImage")
    assert ramp.startswith("linear-gradient(90deg, rgb(")
    page.select_option("#map-colour", "cluster")
    assert page.locator(f"{legend} button").count() == 5


def test_hidden_clusters_stay_hidden_and_can_be_shown_again(visit: Visit) -> None:
    page = visit.page
    page.locator("#map-legend button").nth(1).click()
    shown = visit.stage("visible")
    assert int(shown) < COUNT
    page.select_option("#map-colour", "class")
    assert visit.stage("visible") == shown
    back = page.locator("#map-legend button")
    assert back.inner_text() == "Show all clusters (1 hidden)"
    back.press("Enter")
    assert visit.stage("visible") == str(COUNT)
    assert back.count() == 0
    assert page.evaluate("document.activeElement.id") == "map-colour"
    page.select_option("#map-colour", "cluster")
    assert page.locator("#map-legend button[aria-pressed=false]").count() == 0


def test_the_unassigned_are_neither_right_nor_wrong(visit: Visit) -> None:
    page = visit.page
    page.focus("#map-canvas")
    page.keyboard.press("n")  # the unassigned come first
    assert "unassigned" in page.inner_text("#map-live")
    assert "wrong" not in page.inner_text("#map-live")
    page.keyboard.press("Escape")
    page.locator("#map-legend button").first.dblclick()  # them only
    assert visit.stage("visible") == "2"
    page.select_option("#map-colour", "right")
    assert painted(visit, LIGHT["accent"])
    assert not painted(visit, LIGHT["bad"])
    page.locator("#map-legend button").click()
    assert painted(visit, LIGHT["bad"])


def test_an_image_in_a_wrong_cluster_is_said_to_be(visit: Visit) -> None:
    page = visit.page
    page.focus("#map-canvas")
    heard = set()
    for _ in range(COUNT):
        page.keyboard.press("n")
        heard.add(page.inner_text("#map-live"))
    assert len(heard) == COUNT
    assert sum("(wrong cluster)" in words for words in heard) == 2
