import io

import pytest
from rich.console import Console

from iciclegcn.progress import (
    LiveReporter,
    Pace,
    PlainReporter,
    Reporter,
    duration,
    make_reporter,
    speed,
)

TERMS = {"loss": 4.2, "instance": 3.0, "cluster": 1.2}


def play(reporter: Reporter) -> None:
    reporter.begin("data")
    reporter.end("data", 0.04)
    reporter.begin("pretrain")  # its libraries load
    reporter.begin("pretrain")
    for done in range(0, 101, 10):
        reporter.progress(done, 100, "image", TERMS)
    reporter.warn("something")
    reporter.end("pretrain", 61.2)
    reporter.end("embed", None)
    reporter.close()


def terminal(width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_elsewhere_every_stage_is_one_line() -> None:
    stream = io.StringIO()
    play(PlainReporter(stream))
    assert stream.getvalue() == ("data: 0.0 s\nwarning: something\npretrain: 1:01 min, loss 4.2\n")


def test_the_opening_comes_once_and_only_with_a_stage() -> None:
    stream, console = io.StringIO(), terminal()
    plain, live = PlainReporter(stream, "hello"), LiveReporter(console, "hello")
    plain.close()
    live.close()
    assert stream.getvalue() == written(console) == ""
    play(plain)
    play(live)
    assert stream.getvalue().startswith("hello\ndata")
    assert stream.getvalue().count("hello") == written(console).count("hello") == 1


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    assert isinstance(make_reporter(io.StringIO()), PlainReporter)


def test_on_a_terminal_finished_stages_leave_a_line() -> None:
    console = terminal()
    play(LiveReporter(console))
    text = written(console)
    for line in ("data      0.0 s", "pretrain  1:01 min   loss 4.2", "embed     done before"):
        assert line in text
    assert "warning: something" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize("width", [30, 50, 80, 120])
def test_a_running_stage_shows_share_speed_time_and_terms(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = terminal(width)
    reporter = LiveReporter(console)
    reporter.begin("pretrain")
    for now, done in ((0.0, 0), (1.0, 500), (2.0, 1000)):
        monkeypatch.setattr("iciclegcn.progress.time.monotonic", lambda now=now: now)
        reporter.progress(done, 4000, "image", TERMS)
    reporter.close()
    with console.capture() as capture:
        console.print(reporter._render())
    lines = capture.get().splitlines()
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)
    if width >= 50:
        assert "25%" in lines[0]
        assert "6 s left" in lines[0]
        assert "loss 4.2" in lines[1]
    if width >= 80:
        assert "500 images/s" in lines[0]
        assert "instance 3  cluster 1.2" in lines[1]


def test_before_the_first_figure_the_time_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    console = terminal()
    reporter = LiveReporter(console)
    monkeypatch.setattr("iciclegcn.progress.time.monotonic", lambda: 100.0)
    reporter.begin("cluster")
    reporter.close()
    monkeypatch.setattr("iciclegcn.progress.time.monotonic", lambda: 112.0)
    with console.capture() as capture:
        console.print(reporter._render())
    assert capture.get().rstrip() == "cluster    working, 12 s"


def test_the_pace_ignores_what_an_earlier_process_did() -> None:
    pace = Pace()
    pace.update(900, 1000, 0.0)
    assert pace.rate() is None
    pace.update(920, 1000, 2.0)
    assert pace.rate() == 10.0


def test_the_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    pace.update(0, 1000, 0.0)
    for second in range(1, 31):
        pace.update(10 * second, 1000, float(second))
    for second in range(31, 61):
        pace.update(300 + 2 * (second - 30), 1000, float(second))
    assert pace.rate() == pytest.approx(2.0)
    assert (pace.done, pace.total) == (360, 1000)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (61.2, "1:01 min"),
        (3599.7, "1:00:00 h"),
        (7384, "2:03:04 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates_keep_three_digits() -> None:
    assert [speed(rate) for rate in (8512.3, 31.42, 0.0512)] == ["8,512", "31.4", "0.0512"]
