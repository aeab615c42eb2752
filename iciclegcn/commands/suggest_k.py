"""``iciclegcn suggest-k``: how many clusters the features of a run fall into."""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError

if TYPE_CHECKING:
    from iciclegcn.results.suggestion import SuggestionFiles

_EPILOG = """\
The run needs its neighbours, not its clusters: it may have stopped after the
graph stage. Its own number of clusters, a guess, has shaped the features of
images a little; docs/choosing_k.md tells more.
"""
_INDENT, _WIDTH = 13, 79


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.usage = f"{parser.prog} --run DIR [--range LOW HIGH]"
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--run", metavar="DIR", required=True, help="the run, of any method")
    add(
        "--range",
        metavar=("LOW", "HIGH"),
        nargs=2,
        type=int,
        help="numbers of clusters to try (default: 2 50)",
    )
    add(
        "--resamples",
        metavar="N",
        type=int,
        default=10,
        help="how often the images are halved (default: 10)",
    )
    add("--seed", metavar="N", type=int, help="fixes every draw (default: the run's)")


def run(options: argparse.Namespace) -> int:
    """Write the curves into the run folder, and print what they say.

    Args:
        options: What `add_options` defines.

    Returns:
        0, also when the curves cannot tell.

    Raises:
        UserError: If the run or an option does not fit.
    """
    if options.resamples < 2:
        raise UserError(f"'--resamples' must be at least 2 (got {options.resamples})")
    if options.seed is not None and options.seed < 0:
        raise UserError(f"'--seed' must be 0 or more (got {options.seed})")
    from iciclegcn.progress import make_reporter
    from iciclegcn.reporting_monitor import ReportingMonitor
    from iciclegcn.results.suggestion import suggest_k
    from iciclegcn.run_folder.folder import RunFolder

    reporter = make_reporter(sys.stderr)
    monitor = ReportingMonitor(reporter)
    try:
        with RunFolder.open(user_path(options.run)) as folder:
            reporter.begin("suggest-k")
            found = suggest_k(
                folder,
                tuple(options.range) if options.range else None,
                resamples=options.resamples,
                seed=options.seed,
                progress=lambda done, total: monitor.progress(done, total, unit="resample"),
            )
    finally:
        reporter.close()
    print("\n".join(_lines(found)))
    return 0


def _lines(found: "SuggestionFiles") -> Iterator[str]:
    from iciclegcn.evaluation.suggestion import spans

    suggestion = found.suggestion
    if suggestion.num_clusters is None:
        yield from _line("suggestion", f"cannot tell: {suggestion.reason}")
    else:
        close = suggestion.about_as_well
        others = "" if len(close) == 1 else f"; {spans(close, last=' and ')} do about as well"
        yield from _line("suggestion", f"{suggestion.num_clusters} clusters{others}")
    yield from _line("stable", f"{spans(suggestion.stable) or 'none'} (alike on two halves)")
    yield from _line("separated", f"{spans(suggestion.separated) or 'none'} (by the silhouette)")
    yield from _line("together", f"{spans(suggestion.together) or 'none'} (part few neighbours)")
    yield f"{'curves':<{_INDENT}}{found.table}"
    without = "none: it needs matplotlib, pip install 'iciclegcn[report]'"
    yield f"{'picture':<{_INDENT}}{found.picture or without}"


def _line(name: str, text: str) -> list[str]:
    """A name and its text, in lines that fit a terminal."""
    first, rest = f"{name:<{_INDENT}}", " " * _INDENT
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest)
