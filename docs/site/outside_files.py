"""A hook of the documentation site: figures and results that pages show from outside ``docs``.

Pages link to ``../benchmarks/results/NAME``, which is right on a code host. In the site these files
are copied to ``results/``.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_LINK = re.compile(r"\]\(\.\./benchmarks/results/([\w.-]+)\)")
_COPIED = (".png", ".svg", ".json")


def on_files(files: Files, *, config: Any, **_: object) -> Files:
    """Add every figure and result that a page links to."""
    results = Path(config.docs_dir).parent / "benchmarks" / "results"
    pages = [file for file in files.documentation_pages() if "/" not in file.src_uri]
    linked = {name for page in pages for name in _LINK.findall(page.content_string)}
    for name in sorted(linked):
        if (results / name).is_file() and name.endswith(_COPIED):
            path = str(results / name)
            files.append(File.generated(config, f"results/{name}", abs_src_path=path))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Let a page's links to results point to where they are in the site."""
    return _LINK.sub(r"](results/\1)", markdown)
