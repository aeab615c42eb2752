from pathlib import Path

import pytest

from iciclegcn.report.figure_files import is_figure_name, write_figures
from iciclegcn.report.svg import Drawing, Figure


def figure(name: str) -> Figure:
    return Figure(name, "A title", "A sentence.", Drawing(10, 10))


def test_figures_that_are_gone_leave_no_file(tmp_path: Path) -> None:
    write_figures(tmp_path, [figure("map"), figure("confusion"), figure("degrees_k3")])
    for name in ("mine.svg", "confusion.png", "cluster_mine.svg"):
        (tmp_path / name).touch()
    write_figures(tmp_path, [figure("map"), figure("degrees_k5")])
    assert {file.name for file in tmp_path.iterdir()} == {
        *("map.svg", "degrees_k5.svg"),
        *("mine.svg", "confusion.png", "cluster_mine.svg"),
    }


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("montage_borderline", True),
        ("degrees_k10", True),
        ("cluster_changed", True),
        ("cluster_kl_stream_2", True),
        ("encode_loss", True),
        ("degrees_k", False),
        ("loss", False),
        ("somewhere_loss", False),
        ("cluster_notes", False),
        ("", False),
    ],
)
def test_names_tell_the_report_s_figures_from_others(name: str, ours: bool) -> None:
    assert is_figure_name(name) is ours
