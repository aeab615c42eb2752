import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.measured_process import ProcessError, measured


def test_seconds_and_memory_are_those_of_the_process_alone(tmp_path: Path) -> None:
    ballast = b"1" * 400_000_000  # of this process, which starts the others
    program = "x = bytearray(b'1') * 200_000_000; print(len(x))"
    small = measured("timeit", ["-n", "1", "-r", "1", "pass"], tmp_path / "small.log")
    words = ["-n", "1", "-r", "1", "-s", program, "import time; time.sleep(.3)"]
    found = measured("timeit", words, tmp_path / "deep" / "large.log")
    assert found.seconds >= 0.3
    assert found.peak_mib - small.peak_mib == pytest.approx(190.7, abs=15)  # 2e8 bytes
    assert small.peak_mib < 200 < len(ballast) / 2**20
    assert "200000000" in (tmp_path / "deep" / "large.log").read_text(encoding="utf-8")


def test_the_last_line_says_why_a_process_failed(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"^SystemExit: no such thing$|^no such thing$"):
        measured("timeit", ["raise SystemExit('no such thing')"], tmp_path / "log")
    kill = "import os; os.kill(os.getpid(), 9)"
    with pytest.raises(ProcessError, match="it printed nothing"):
        measured("timeit", [kill], tmp_path / "log")


def test_an_interruption_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        measured("timeit", ["import time; time.sleep(600)"], tmp_path / "log")
    assert time.monotonic() - started < 300
