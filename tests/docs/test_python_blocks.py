"""Every Python program that the documentation prints runs; the README's have a test of their own.

Trainings are cut short, and pages that train all the same are marked slow (``make test-slow``).
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iciclegcn.pipeline
from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from tests.docs.shell_commands import PAGES, ROOT
from tests.docs.workplace import RUNS, add_run
from tests.tiny_run import TINY

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Pages that show how something is called, with names that stand for the reader's own.
NOT_PROGRAMS = {"docs/ruc.md": "tests/methods/test_ruc.py calls it"}
# Names that a page takes for granted.
GIVEN: dict[str, dict[str, object]] = {
    "docs/graphs.md": {"new_rows": np.zeros((2, 16), dtype=np.float32)}
}


def programs(page: str) -> list[str]:
    return _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def cases() -> list[Any]:
    pages = [page for page in PAGES if page.startswith("docs/") and programs(page)]
    return [
        pytest.param(page, marks=[pytest.mark.slow] if "iciclegcn import" in text else [])
        for page in pages
        if page not in NOT_PROGRAMS
        for text in ["".join(programs(page))]
    ]


@pytest.fixture
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """``iciclegcn.run`` trains for a second."""
    run = iciclegcn.pipeline.run
    changes = {name: value for name, value in TINY.items() if name != "num_clusters"}

    def run_shortly(config: Config, out: Path, **options: Any) -> Path:
        return run(build_config(config, changes), out, **options)

    monkeypatch.setattr(iciclegcn.pipeline, "run", run_shortly)


@pytest.mark.parametrize("page", cases())
@pytest.mark.usefixtures("short_runs")
def test_the_programs_of_a_page_run(page: str, workplace: Path) -> None:
    names = dict(GIVEN.get(page, {}))
    for program in programs(page):
        for name in RUNS:
            if f'("{name}")' in program:
                add_run(workplace, name)
        exec(program, names)


@pytest.mark.parametrize("page", [*NOT_PROGRAMS, *GIVEN])
def test_every_exception_is_about_a_page_with_programs(page: str) -> None:
    assert programs(page)
