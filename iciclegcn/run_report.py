"""The report at the end of a run."""

import time
from pathlib import Path

from iciclegcn.progress import Reporter

REPORT = "report.html"


def report_run(folder: Path, reporter: Reporter) -> None:
    """Write a finished run's ``report.html``; the run counts as finished without it.

    Args:
        folder: The run folder, with its ``metrics.json``.
        reporter: Shown the progress; warned where there can be no report.
    """
    reporter.begin("report")
    started = time.monotonic()
    try:
        from iciclegcn.report.write import write_report

        write_report(folder)
    except Exception as error:
        # Whatever is wrong with a page, hours of training are not lost for it.
        reporter.warn(
            f"there is no report ({error}); 'iciclegcn report {folder}' tries again, and "
            "everything else of the run is there"
        )
        return
    reporter.end("report", time.monotonic() - started)
