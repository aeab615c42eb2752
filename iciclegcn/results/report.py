"""The report at the end of a run."""

import shlex
import time
from pathlib import Path
from typing import Protocol

from iciclegcn.progress import Reporter

REPORT = "report.html"


class Reportable(Protocol):
    """What of an open run folder matters here.

    Attributes:
        path: The folder.
        tensorboard: Whether TensorBoard is to show the results too.
    """

    path: Path
    tensorboard: bool


def is_reported(path: Path) -> bool:
    """Whether a finished run's report is there, and of its latest figures.

    Args:
        path: The run folder, with its ``metrics.json``.
    """
    try:
        written, figures = ((path / name).stat() for name in (REPORT, "metrics.json"))
    except OSError:
        return False
    # A run can be killed between the two; the page is then that of earlier figures.
    return written.st_mtime_ns >= figures.st_mtime_ns


def report_run(folder: Reportable, reporter: Reporter) -> None:
    """Write a finished run's ``report.html``; the run counts as finished without it.

    Args:
        folder: The run folder, with its ``metrics.json``.
        reporter: Shown the progress; warned where there can be no report.
    """
    reporter.begin("report")
    started = time.monotonic()
    try:
        from iciclegcn.report.write import write_report

        write_report(folder.path)
        if folder.tensorboard:
            from iciclegcn.report.tensorboard import log_results

            log_results(folder.path)
    except Exception as error:
        # Whatever is wrong with a page, hours of training are not lost for it.
        again = f"iciclegcn report {shlex.quote(str(folder.path))}"
        reporter.warn(
            f"there is no report ({error}); '{again}' tries again, and everything else of the run "
            "is there"
        )
        return
    reporter.end("report", time.monotonic() - started)
