from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")

from mkdocs.config import load_config
from mkdocs.structure.files import get_files

from docs.site import outside_files
from docs.site.outside_files import on_page_markdown

LINK = "![Seconds](../benchmarks/results/scaling.png) and [all](../benchmarks/results/all.json)"


def test_links_point_to_where_the_files_are() -> None:
    expected = "![Seconds](results/scaling.png) and [all](results/all.json)"
    assert on_page_markdown(LINK) == expected
    assert on_page_markdown("[a](../benchmarks/digits.py)") == "[a](../benchmarks/digits.py)"


def test_linked_results_are_added_and_others_are_not(tmp_path: Path) -> None:
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    for name in ("scaling.png", "all.json", "other.png"):
        (results / name).write_text(name)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(f"{LINK} [gone](../benchmarks/results/no.png)")
    settings = f"site_name: test\nplugins: []\nhooks: [{outside_files.__file__}]\n"
    (tmp_path / "mkdocs.yml").write_text(settings)
    config = load_config(str(tmp_path / "mkdocs.yml"))
    files = config.plugins.on_files(get_files(config), config=config)
    added = {file.src_uri: file.content_string for file in files if file.src_uri != "page.md"}
    assert added == {"results/all.json": "all.json", "results/scaling.png": "scaling.png"}
