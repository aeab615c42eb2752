"""The figures of the page as files of their own."""

import re
from collections.abc import Iterable
from pathlib import Path

from iciclegcn.errors import UserError
from iciclegcn.report.clusters_part import VIEWS
from iciclegcn.report.curves import is_curve_name
from iciclegcn.report.svg import Figure
from iciclegcn.run_folder.files import write_text

_NAMES = frozenset(
    {
        *("cluster_sizes", "confidence", "map", "confusion", "reliability", "risk_coverage"),
        *(f"montage_{view.name}" for view in VIEWS),
    }
)


def write_figures(folder: Path, figures: Iterable[Figure]) -> None:
    """Write each figure as ``<name>.svg``, and remove those of an earlier page that are gone.

    Args:
        folder: Where they go; other files there are left alone.
        figures: Those of the page.

    Raises:
        UserError: If the system refuses.
    """
    kept = set()
    for drawn in figures:
        write_text(folder / f"{drawn.name}.svg", drawn.standalone())
        kept.add(drawn.name)
    for file in folder.glob("*.svg"):
        if file.stem in kept or not is_figure_name(file.stem):
            continue
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"cannot remove '{file}': {error.strerror or error}") from error


def is_figure_name(name: str) -> bool:
    """Whether a report can have a figure of that name."""
    return name in _NAMES or bool(re.fullmatch(r"degrees_k\d+", name)) or is_curve_name(name)
