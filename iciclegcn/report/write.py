"""From a finished run to ``report.html`` and its figures."""

from pathlib import Path

from iciclegcn.monitor import StageMonitor
from iciclegcn.report.clusters_part import clusters_part
from iciclegcn.report.contents import Contents, read_contents
from iciclegcn.report.details_part import details_part
from iciclegcn.report.figure_files import write_figures
from iciclegcn.report.graph_part import graph_part
from iciclegcn.report.map_data import lay_out
from iciclegcn.report.map_part import map_part
from iciclegcn.report.oddities_part import oddities_part
from iciclegcn.report.page import page
from iciclegcn.report.part import Part
from iciclegcn.report.selection import certainty
from iciclegcn.report.sizes_part import sizes_part
from iciclegcn.report.summary_part import summary_part
from iciclegcn.report.training_part import training_part
from iciclegcn.report.truth_part import cluster_classes, match, truth_part
from iciclegcn.results.report import REPORT
from iciclegcn.run_folder.files import write_text

FIGURES = "figures"


def write_report(
    folder: Path, *, map_kind: str = "auto", monitor: StageMonitor | None = None
) -> Path:
    """Write ``report.html`` and ``figures/*.svg`` of a finished run, of any method.

    The page is one file of a few megabytes, below ten, and asks nothing of the network. Its bytes
    depend on the run alone, and on whether umap-learn is installed and works. Figures of an earlier
    page that this one does not have are removed.

    Args:
        folder: The run folder; nothing else in it is changed.
        map_kind: ``umap``, ``pca``, or ``auto``: UMAP where umap-learn is installed and works.
        monitor: Told of the progress where the images must be decoded again.

    Returns:
        The page.

    Raises:
        UserError: If the run is unfinished or due to be evaluated again, a file is damaged or UMAP
            is asked for in vain.
    """
    contents = read_contents(folder, monitor)
    parts = make_parts(contents, map_kind)
    write_figures(folder / FIGURES, [drawn for part in parts for drawn in part.figures])
    write_text(folder / REPORT, page(contents, parts))
    return folder / REPORT


def make_parts(contents: Contents, map_kind: str = "auto") -> list[Part]:
    """The sections of the page, in order; those that the run has nothing for are left out."""
    sure = certainty(contents.soft, contents.clusters)
    found = None if contents.truth is None else match(contents.clusters, contents.truth)
    right = None if found is None else found.right
    classes = cluster_classes(contents)
    parts = [
        summary_part(contents),
        clusters_part(contents, sure, classes),
        map_part(contents, lay_out(contents, map_kind), sure, right),
        sizes_part(contents, sure, classes),
        truth_part(contents, sure, found),
        oddities_part(contents, sure),
        training_part(contents),
        graph_part(contents),
        details_part(contents),
    ]
    return [part for part in parts if part is not None]
