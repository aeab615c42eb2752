"""Figures on the pages are those of the benchmarks' results."""

import json
from itertools import takewhile
from pathlib import Path

import pytest

from benchmarks import new_images, pretrained, suggest_k
from benchmarks.ablations import TABLES, write_tables
from benchmarks.clustering_runs import markdown_table
from benchmarks.common import RESULTS
from benchmarks.features import read, table, times_table
from benchmarks.method_overview import FILE, overview, read_results

ROOT = Path(__file__).resolve().parents[2]
LOSSES, COMPONENTS = (f"ablations_{kind}_digits.md" for kind in TABLES)


def rows(file: str, head: str) -> list[str]:
    """A table's lines in a file of the results, by how its first one begins."""
    lines = (RESULTS / file).read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(head))
    return list(takewhile(lambda line: line.startswith("|"), lines[start:]))


def test_the_page_over_all_data_is_that_of_the_results() -> None:
    written = (RESULTS / FILE).read_text(encoding="utf-8").rstrip("\n") + "\n"
    assert written == overview(read_results(RESULTS))


@pytest.mark.parametrize("kind", TABLES)
def test_the_pages_of_the_ablations_are_those_of_their_rows(kind: str, tmp_path: Path) -> None:
    page = write_tables("digits", kind, RESULTS / "ablations" / f"{kind}_digits", tmp_path)
    assert (RESULTS / f"ablations_{kind}_digits.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("page", "file", "head", "count"),
    [
        ("README.md", FILE, "| method |", 16),
        ("docs/benchmarks.md", FILE, "| method |", 16),
        ("docs/benchmarks.md", FILE, "| claim |", 15),
        ("docs/benchmarks.md", LOSSES, "| method |", 6),
        ("docs/benchmarks.md", LOSSES, "| claim |", 5),
        ("docs/benchmarks.md", COMPONENTS, "| method |", 16),
        ("docs/benchmarks.md", COMPONENTS, "| claim |", 28),
    ],
)
def test_pages_show_what_was_measured(page: str, file: str, head: str, count: int) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    expected = rows(file, head)
    assert len(expected) == count + 2  # with the head and its line
    assert "\n".join(expected) in text, f"put the tables of benchmarks/results/{file} into {page}"


def test_the_page_on_backbones_shows_what_was_measured() -> None:
    result = json.loads((RESULTS / "pretrained.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs/backbones.md").read_text(encoding="utf-8")
    assert markdown_table(result["rows"], pretrained.ROWS) in text


def test_the_page_on_new_images_shows_what_was_measured() -> None:
    result = json.loads((RESULTS / "new_images.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs/new_images.md").read_text(encoding="utf-8")
    assert markdown_table(result["rows"], new_images.ROWS, new_images.FIGURES) in text


def test_the_page_on_choosing_k_shows_what_was_measured() -> None:
    rows = json.loads((RESULTS / "suggest_k.json").read_text(encoding="utf-8"))["rows"]
    text = (ROOT / "docs/choosing_k.md").read_text(encoding="utf-8")
    assert suggest_k.table(rows) in text


def test_the_page_on_own_features_shows_what_was_measured() -> None:
    text = (ROOT / "docs/own_features.md").read_text(encoding="utf-8")
    result = read(RESULTS / "features.json")
    assert table(result["quality"]) in text
    assert times_table(result["times"]) in text
