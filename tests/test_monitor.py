import pytest

from iciclegcn.monitor import NullMonitor, StageMonitor


def test_null_monitor_is_a_monitor_that_keeps_and_shows_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    monitor: StageMonitor = NullMonitor()
    monitor.save({"epoch": 1})
    assert monitor.load() is None
    monitor.log(3, loss=0.5)
    monitor.progress(1, 2, unit="image", loss=0.5)
    monitor.warn("collapsed")
    assert capfd.readouterr() == ("", "")
