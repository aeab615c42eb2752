"""The page in headless Chromium: no errors, no requests, and everything on it works."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from iciclegcn.report.page import page
from iciclegcn.report.write import make_parts
from tests.report.example import example, soft_of
from tests.report.visits import Visit, needs_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright", reason="playwright is not installed")
pytestmark = needs_chromium

COUNT = 60


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of sixty pictures in three clusters."""
    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(0)
    clusters = np.arange(COUNT) % 3
    x = random.normal(size=(COUNT, 5)) + 6 * np.eye(3, 5)[clusters]
    neighbors = (np.arange(COUNT)[:, None] + 3) % COUNT
    contents = example(
        folder,
        truth=False,
        clusters=clusters,
        soft=soft_of(clusters, 3),
        paths=[f"pictures/{row:02}.png" for row in range(COUNT)],
        x=x,
        images=random.integers(0, 255, (COUNT, 3, 24, 24), dtype=np.uint8),
    )
    contents.metrics["cluster_sizes"] = [20, 20, 20]  # type: ignore[index]
    np.savez(
        folder / "neighbors.npz",
        indices=neighbors,
        squared_distances=np.ones((COUNT, 1), np.float32),
    )
    file = folder / "report.html"
    file.write_text(page(contents, make_parts(contents, "pca")), encoding="utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_renders_by_itself_at_every_width(
    width: int, scheme: str, browser: "Browser", report: Path
) -> None:
    visit = Visit(browser, report, width, scheme)
    assert visit.errors == []
    assert [url for url in visit.requests if not url.startswith("data:")] == [report.as_uri()]
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width
    ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(250, 250, 248)" if scheme == "light" else "rgb(20, 23, 27)")
    painted = visit.page.evaluate(
        "() => { const c = document.getElementById('map-canvas');"
        " return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v); }"
    )
    assert painted
    visit.page.close()


def test_the_policy_lets_nothing_out(visit: Visit) -> None:
    blocked = visit.page.evaluate("fetch('https://example.org').then(() => 'out', () => 'blocked')")
    assert blocked == "blocked"
    assert visit.requests[1:] == [url for url in visit.requests[1:] if url.startswith("data:")]
    assert all("Content Security Policy" in error for error in visit.errors)
    visit.errors.clear()


def test_the_views_of_the_clusters_change_at_once(visit: Visit) -> None:
    page = visit.page
    shown = "#cluster-0 .{}"
    assert page.is_visible(shown.format("typical"))
    assert not page.is_visible(shown.format("borderline"))
    page.click("label[for=view-borderline]")
    assert page.is_visible(shown.format("borderline"))
    assert not page.is_visible(shown.format("typical"))
    assert page.inner_text("#cluster-0 .borderline li:first-child").strip() == "→ 1"
    page.focus("#view-borderline")
    page.keyboard.press("ArrowLeft")
    assert page.is_visible("#cluster-2 .uncertain")


def test_pointing_shows_an_image_and_its_words(visit: Visit) -> None:
    page = visit.page
    page.locator("#map-stage").scroll_into_view_if_needed()
    box = page.locator("#map-canvas").bounding_box()
    assert box is not None
    found = ""
    for step in range(1, 40):  # along a diagonal: some point lies near it
        page.mouse.move(box["x"] + box["width"] * step / 40, box["y"] + box["height"] * step / 40)
        if found := visit.stage("shown"):
            break
    assert found.startswith("pictures/")
    assert found in page.inner_text("#map-tip")
    assert "confidence 0.800" in page.inner_text("#map-tip")
    assert page.locator("#map-tip canvas").count() == 1  # the thumbnail
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 20)
    assert visit.stage("shown") == ""
    assert page.is_hidden("#map-tip")


def test_the_keyboard_walks_through_the_map(visit: Visit) -> None:
    page = visit.page
    page.focus("#map-canvas")
    page.keyboard.press("n")
    first = visit.stage("shown")
    page.keyboard.press("n")
    second = visit.stage("shown")
    assert first != second
    assert second in page.inner_text("#map-live")  # read aloud
    page.keyboard.press("p")
    assert visit.stage("shown") == first
    page.keyboard.press("Escape")
    assert visit.stage("shown") == ""
    page.keyboard.press("+")
    assert float(visit.stage("zoom")) == 1.5
    page.keyboard.press("ArrowRight")
    page.keyboard.press("0")
    assert float(visit.stage("zoom")) == 1


def test_zooming_in_shows_the_pictures(visit: Visit) -> None:
    page = visit.page
    assert (visit.stage("pictures"), visit.stage("visible")) == ("false", str(COUNT))
    page.click("#map-in")
    assert visit.stage("pictures") == "true"
    for _ in range(8):
        page.click("#map-in")
    assert int(visit.stage("visible")) < COUNT
    page.click("#map-reset")
    assert (visit.stage("zoom"), visit.stage("visible")) == ("1.00", str(COUNT))


def test_the_wheel_zooms_once_the_map_is_in_use_and_scrolls_before(visit: Visit) -> None:
    page = visit.page
    page.locator("#map-canvas").scroll_into_view_if_needed()
    box = page.locator("#map-canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.wheel(0, 40)
    assert float(visit.stage("zoom")) == 1
    assert page.is_visible("#map-hint")
    page.focus("#map-canvas")
    page.mouse.wheel(0, -400)
    page.wait_for_function("document.getElementById('map-stage').dataset.zoom > 1")
    assert page.is_hidden("#map-hint")
    zoomed = page.get_attribute("#map-stage", "data-zoom")
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 220)
    page.mouse.up()
    assert visit.stage("zoom") == zoomed  # dragging moves, and leaves the scale


def test_the_legend_hides_and_shows_clusters(visit: Visit) -> None:
    page = visit.page
    chip = page.locator("#map-legend button").first
    chip.click()
    assert chip.get_attribute("aria-pressed") == "false"
    assert visit.stage("visible") == str(COUNT - 20)
    page.locator("#map-legend button").last.click()  # all
    assert visit.stage("visible") == str(COUNT)


def test_colours_can_tell_confidence(visit: Visit) -> None:
    page = visit.page
    picture = "document.getElementById('map-canvas').toDataURL()"
    visit.stage("zoom")
    before = page.evaluate(picture)
    page.select_option("#map-colour", "confidence")
    visit.stage("zoom")
    assert page.evaluate(picture) != before


def test_the_reader_s_choice_of_light_or_dark_is_kept(visit: Visit) -> None:
    page = visit.page
    assert page.inner_text("#theme") == "Dark page"
    page.click("#theme")
    assert page.get_attribute("html", "data-theme") == "dark"
    page.reload()
    assert page.get_attribute("html", "data-theme") == "dark"
    assert page.inner_text("#theme") == "Light page"


def test_every_picture_is_there_before_anybody_scrolls(visit: Visit) -> None:
    missing = "[...document.images].filter((image) => !(image.complete && image.naturalWidth))"
    assert visit.page.evaluate("document.images.length") > 0
    assert visit.page.evaluate(f"{missing}.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_light(scheme: str, browser: "Browser", report: Path) -> None:
    visit = Visit(browser, report, 1280, scheme)
    ink = "getComputedStyle(document.body).color"
    for _ in range(2):  # as the system has it, then as the reader chose
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate(ink) == "rgb(29, 33, 39)"
        visit.page.emulate_media(media="screen")
        visit.page.click("#theme")
    visit.page.close()


def test_a_finger_taps_and_pinches(browser: "Browser", report: Path) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(report.as_uri())
    page.wait_for_selector("#map-stage[data-pictures]")
    page.locator("#map-stage").scroll_into_view_if_needed()
    box = page.locator("#map-canvas").bounding_box()
    assert box is not None
    center = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    session = context.new_cdp_session(page)

    def touch(kind: str, apart: float) -> None:
        points = [{"x": center[0] + sign * apart, "y": center[1], "id": sign} for sign in (0, 1)]
        sent = [] if kind == "touchEnd" else points
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": sent})

    touch("touchStart", 20)
    for apart in (30, 50, 80, 120):
        touch("touchMove", apart)
    touch("touchEnd", 0)
    page.wait_for_function("document.getElementById('map-stage').dataset.zoom > 1.5")
    context.close()
