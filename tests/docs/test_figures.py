"""Figures on the pages are those of the benchmarks' results."""

from itertools import takewhile
from pathlib import Path

import pytest

from benchmarks.common import RESULTS
from benchmarks.method_overview import FILE, overview, read_results

ROOT = Path(__file__).resolve().parents[2]
RESULT_LINES = (RESULTS / FILE).read_text(encoding="utf-8").splitlines()


def rows(head: str) -> list[str]:
    """A table's lines, by how its first one begins."""
    start = next(i for i, line in enumerate(RESULT_LINES) if line.startswith(head))
    return list(takewhile(lambda line: line.startswith("|"), RESULT_LINES[start:]))


def test_the_page_over_all_data_is_that_of_the_results() -> None:
    assert "\n".join(RESULT_LINES) + "\n" == overview(read_results(RESULTS))


@pytest.mark.parametrize(
    ("page", "head"),
    [
        ("README.md", "| method |"),
        ("docs/benchmarks.md", "| method |"),
        ("docs/benchmarks.md", "| claim |"),
    ],
)
def test_pages_show_the_methods_as_measured(page: str, head: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    expected = rows(head)
    assert len(expected) > 10
    assert "\n".join(expected) in text, f"put the tables of benchmarks/results/{FILE} into {page}"
