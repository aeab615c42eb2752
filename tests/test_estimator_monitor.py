import pytest
from sklearn.exceptions import ConvergenceWarning

from iciclegcn.estimator_monitor import EstimatorMonitor


def test_every_tenth_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    monitor = EstimatorMonitor(verbose=True)
    for done in range(1, 101):
        monitor.progress(done, 100, unit="row", loss=0.12345)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0] == "[IcicleGCN] row 10 of 100, loss 0.1235"
    EstimatorMonitor(verbose=False).progress(100, 100)
    assert capsys.readouterr().out == ""


def test_warnings_are_scikit_learns() -> None:
    with pytest.warns(ConvergenceWarning, match="few rows"):
        EstimatorMonitor(verbose=False).warn("few rows")
