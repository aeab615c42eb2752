"""A monitor for work outside run folders: shows progress, keeps nothing."""

from iciclegcn.monitor import NullMonitor
from iciclegcn.progress import Reporter


class ReportingMonitor(NullMonitor):
    """Hands progress and warnings on to a reporter.

    Args:
        reporter: Shown what the work tells.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def progress(self, done: int, total: int, *, unit: str = "step", **values: float) -> None:
        """Show how far the work is."""
        self._reporter.progress(done, total, unit, values)

    def warn(self, message: str) -> None:
        """Show a warning."""
        self._reporter.warn(message)
