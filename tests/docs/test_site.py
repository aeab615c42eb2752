"""The documentation site is built without a warning, whole, and asks nothing of the network."""

import dataclasses
import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import graphs
import iciclegcn
import iciclegcn.nn

pytest.importorskip("material", reason="the extra docs is not installed")
pytest.importorskip("mkdocstrings", reason="the extra docs is not installed")

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def pages(site: Path) -> dict[str, str]:
    return {
        file.relative_to(site).as_posix(): file.read_text(encoding="utf-8")
        for file in site.rglob("*.html")
    }


def test_every_page_is_there_and_every_equation_is_set(site: Path) -> None:
    found = pages(site)
    sources = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in docs()}
    assert {path.as_posix() for path in sources} <= set(found)
    assert not [name for name, text in found.items() if "arithmatex" in text]
    assert found["icicle.html"].count('<svg role="img"') > 20


def docs() -> list[Path]:
    return list((ROOT / "docs").rglob("*.md"))


def test_every_page_is_in_the_navigation_once() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = re.findall(r"[\w/]+\.md", str(settings["nav"]))
    assert sorted(named) == sorted(path.relative_to(ROOT / "docs").as_posix() for path in docs())


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"""(?:src|srcset)=["']?(?:https?:)?//|<link[^>]+href=["']?https?://""")
    assert not [name for name, text in pages(site).items() if loaded.search(text)]
    styles = [file.read_text(encoding="utf-8") for file in site.rglob("*.css")]
    assert styles
    assert not [text for text in styles if re.search(r"url\([\"']?https?:|@import", text)]


def test_the_reference_holds_names_with_their_arguments(site: Path) -> None:
    networks = (site / "api" / "networks.html").read_text(encoding="utf-8")
    assert 'id="iciclegcn.nn.FusionGCNConv"' in networks
    assert "Eq. 14" in networks
    assert not re.search(r"math::|:math:", networks)
    assert '<div class="equation displayed">' in networks
    losses = (site / "api" / "losses.html").read_text(encoding="utf-8")
    assert 'id="iciclegcn.losses.self_training.target_distribution"' in losses


def test_the_reference_holds_every_public_name(site: Path) -> None:
    text = "".join(pages(site).values())
    names = [
        f"{package.__name__}.{name}"
        for package in (iciclegcn, iciclegcn.nn, graphs)
        for name in package.__all__
    ]
    names += [
        f"{type(section).__module__}.{type(section).__name__}"
        for section in vars(iciclegcn.Config()).values()
        if dataclasses.is_dataclass(section)
    ]
    assert [name for name in names if f'id="{name}"' not in text] == []


def test_linked_figures_are_copied(site: Path) -> None:
    assert (site / "results" / "scaling.png").is_file()
    assert 'src="results/scaling.png"' in (site / "scaling.html").read_text(encoding="utf-8")


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """The site, served on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            del format, args

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
def test_a_browser_shows_and_searches_it_without_the_network(address: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=str(CHROMIUM), args=list(_OPTIONS))
        page = browser.new_page(viewport={"width": 390, "height": 800})
        requests: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/icicle.html")
        equation = page.locator(".equation svg").first.bounding_box()
        assert equation is not None
        assert 4 < equation["height"] < 40
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390  # what is wider scrolls by itself
        page.set_viewport_size({"width": 1280, "height": 800})
        page.get_by_role("textbox", name="Search").click()
        page.keyboard.type("modularity")
        page.locator(".md-search-result__item").first.wait_for()
        browser.close()
    assert [url for url in requests if not url.startswith(address)] == []
    assert complaints == []
