"""What a person sees while a run goes on: live on a terminal, next to nothing elsewhere."""

import time
from collections import deque
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_SAMPLE_INTERVAL = 0.2  # seconds
_WINDOW = 15.0  # seconds that a rate is measured over


class Reporter(Protocol):
    """Told of everything that happens in a run; shows what suits the place it writes to."""

    def begin(self, stage: str) -> None:
        """A stage starts, or goes on."""

    def progress(self, done: int, total: int, unit: str, values: Mapping[str, float]) -> None:
        """The stage has done that much."""

    def end(self, stage: str, seconds: float | None) -> None:
        """The stage is finished; None: it was finished before."""

    def note(self, message: str) -> None:
        """Something worth reading before the next stage."""

    def warn(self, message: str) -> None:
        """Something the user should know, which does not stop the run."""

    def close(self) -> None:
        """Nothing follows: leave the terminal as it was."""


class SilentReporter:
    """Shows nothing: for runs from Python."""

    def begin(self, stage: str) -> None:
        del stage

    def progress(self, done: int, total: int, unit: str, values: Mapping[str, float]) -> None:
        del done, total, unit, values

    def end(self, stage: str, seconds: float | None) -> None:
        del stage, seconds

    def note(self, message: str) -> None:
        del message

    def warn(self, message: str) -> None:
        del message

    def close(self) -> None:
        pass


class PlainReporter:
    """One line a finished stage, for log files and pipes.

    Args:
        stream: Where to write.
        opening: A line before the first stage; a run refused before that shows none.
    """

    def __init__(self, stream: IO[str], opening: str = "") -> None:
        self._stream = stream
        self._opening = opening
        self._values: Mapping[str, float] = {}

    def begin(self, stage: str) -> None:
        del stage
        self._open()
        self._values = {}

    def progress(self, done: int, total: int, unit: str, values: Mapping[str, float]) -> None:
        del done, total, unit
        self._values = values

    def end(self, stage: str, seconds: float | None) -> None:
        self._open()
        if seconds is not None:
            loss = f", loss {self._values['loss']:.4g}" if "loss" in self._values else ""
            print(f"{stage}: {duration(seconds)}{loss}", file=self._stream, flush=True)

    def note(self, message: str) -> None:
        print(message, file=self._stream, flush=True)

    def warn(self, message: str) -> None:
        print(f"warning: {message}", file=self._stream, flush=True)

    def close(self) -> None:
        pass

    def _open(self) -> None:
        if self._opening:
            print(self._opening, file=self._stream, flush=True)
            self._opening = ""


class LiveReporter:
    """A bar with speed, time left and loss terms; a finished stage leaves one line.

    Args:
        console: A terminal.
        opening: A line before the first stage; a run refused before that shows none.
    """

    def __init__(self, console: "Console", opening: str = "") -> None:
        self._console = console
        self._opening = opening
        self._stage = ""
        self._began = 0.0
        self._pace = Pace()
        self._unit = "step"
        self._values: Mapping[str, float] = {}
        self._live: Live | None = None

    def begin(self, stage: str) -> None:
        from rich.live import Live

        self.close()
        self._open()
        self._pace, self._values, self._stage = Pace(), {}, stage
        self._began = time.monotonic()
        # A new one for each stage: a stopped one would draw over the line left behind.
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=8,
            transient=True,
        )
        self._live.start()

    def progress(self, done: int, total: int, unit: str, values: Mapping[str, float]) -> None:
        self._pace.update(done, total, time.monotonic())
        self._unit, self._values = unit, values

    def end(self, stage: str, seconds: float | None) -> None:
        self.close()
        self._open()
        note = "done before" if seconds is None else duration(seconds)
        loss = f"   loss {self._values['loss']:.4g}" if "loss" in self._values else ""
        self._console.print(f"[bold]{stage:<9}[/bold] {note}{loss}", highlight=False)
        self._values = {}

    def note(self, message: str) -> None:
        self._console.print(f"{'':<9} {message}", highlight=False, markup=False)

    def warn(self, message: str) -> None:
        from rich.text import Text

        self._console.print(Text("warning: ", style="yellow").append(message, style="default"))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _open(self) -> None:
        if self._opening:
            self._console.print(self._opening, highlight=False, markup=False)
            self._opening = ""

    def _render(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        pace = self._pace
        row = Table.grid(padding=(0, 2), expand=True)
        row.add_column(width=9, no_wrap=True)
        row.add_column(ratio=1)
        cells: list[RenderableType] = [
            Text(self._stage, style="bold"),
            # A pulsing bar looks full where there are no colours.
            Text(f"working, {duration(time.monotonic() - self._began, whole=True)}", style="dim")
            if pace.total is None
            else ProgressBar(total=pace.total, completed=pace.done),
        ]
        for text in self._figures():
            row.add_column(justify="right", no_wrap=True)
            cells.append(Text(text))
        row.add_row(*cells)
        terms = "  ".join(f"{name} {value:.3g}" for name, value in self._values.items())
        line = Text(" " * 11 + terms, style="dim", no_wrap=True, overflow="ellipsis")
        return Group(row, line) if terms else row

    def _figures(self) -> list[str]:
        """Share, speed and time left; the speed gives way on a narrow terminal."""
        pace = self._pace
        if pace.total is None:
            return []
        figures = [f"{100 * pace.done // pace.total}%"]
        rate = pace.rate()
        if rate is not None:
            if self._console.width >= 60:
                figures.append(f"{speed(rate)} {self._unit}s/s")
            figures.append(f"{duration((pace.total - pace.done) / rate, whole=True)} left")
        return figures


class Pace:
    """How fast a stage goes, over the last seconds.

    What an earlier process did does not count: the first figure reported is the start.

    Attributes:
        done: What is done.
        total: What there is to do; None: not known yet.
    """

    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, done: int, total: int, now: float) -> None:
        """Take a new figure at a time in seconds."""
        self.done, self.total = done, total
        samples = self._samples
        if samples and now - samples[-1][0] < _SAMPLE_INTERVAL:
            return
        samples.append((now, done))
        while now - samples[0][0] > _WINDOW:
            samples.popleft()

    def rate(self) -> float | None:
        """Units a second, or None while too little is known."""
        if len(self._samples) < 2:
            return None
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        return (last - first) / (end - start) if last > first else None


def make_reporter(stream: IO[str], opening: str = "") -> Reporter:
    """The reporter for a stream: live on a terminal, plain lines elsewhere.

    Args:
        stream: Where to write.
        opening: A line before the first stage.
    """
    if not stream.isatty():
        return PlainReporter(stream, opening)
    from rich.console import Console

    console = Console(file=stream)
    if console.is_dumb_terminal:
        return PlainReporter(stream, opening)
    return LiveReporter(console, opening)


def duration(seconds: float, *, whole: bool = False) -> str:
    """Seconds for people: ``4.2 s``, ``1:05 min``, ``2:03:04 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s" if whole else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def speed(rate: float) -> str:
    """A rate with three digits or all before the point: ``8,512``, ``31.4``, ``0.05``."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
