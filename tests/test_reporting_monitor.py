from collections.abc import Mapping

from iciclegcn.progress import SilentReporter
from iciclegcn.reporting_monitor import ReportingMonitor


class Reporter(SilentReporter):
    def __init__(self) -> None:
        self.told: list[object] = []

    def progress(self, done: int, total: int, unit: str, values: Mapping[str, float]) -> None:
        self.told.append((done, total, unit, dict(values)))

    def warn(self, message: str) -> None:
        self.told.append(message)


def test_progress_and_warnings_reach_the_reporter() -> None:
    reporter = Reporter()
    monitor = ReportingMonitor(reporter)
    monitor.progress(1, 2, unit="image", loss=0.5)
    monitor.warn("careful")
    assert reporter.told == [(1, 2, "image", {"loss": 0.5}), "careful"]
    assert monitor.load() is None
