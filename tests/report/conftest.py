"""The browser of the tests that look at a page."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.report.visits import CHROMIUM, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: "Browser", report: Path) -> Iterator[Visit]:
    """The ``report`` of the module, on a wide screen; nothing may have gone wrong in it."""
    visited = Visit(browser, report, 1280, "light")
    yield visited
    visited.page.close()
    assert visited.errors == []
