from pathlib import Path

import numpy as np

from iciclegcn.report.map_data import Map
from iciclegcn.report.map_part import map_part
from iciclegcn.report.selection import certainty
from tests.report.example import example

CORNERS = np.array([[0, 0], [0.5, 0], [0.25, 0.5], [1, 0], [1, 1], [0, 1]])


def intro(folder: Path, *, note: str = "", pictures: bool = True) -> str:
    contents = example(folder, pictures=pictures)
    sure = certainty(contents.soft, contents.clusters)
    html = map_part(contents, Map(np.arange(6), CORNERS, "pca", note), sure, None).html
    return html.split("<p class='lead'>")[1].split("</p>")[0]


def test_the_map_says_what_it_shows(tmp_path: Path) -> None:
    assert intro(tmp_path).startswith("All 6 images laid out by the first two principal components")
    assert intro(tmp_path).endswith("zoom in until the pictures appear.")
    assert intro(tmp_path, pictures=False).endswith("far apart means little.")


def test_the_map_says_why_it_is_not_umap(tmp_path: Path) -> None:
    note = "UMAP does not work here (RuntimeError: no <locator>)."
    assert intro(tmp_path, note=note).endswith("(RuntimeError: no &lt;locator&gt;).")
