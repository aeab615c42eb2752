"""``iciclegcn predict``: the clusters of images that a finished run has not seen."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from iciclegcn.prediction.run import PredictionSummary

_EPILOG = """\
NEW is what a run takes (a folder, a .zip, a .txt or .csv list, an array file,
a data set's name), or one image file or more; for a run on features it is a
matrix of as many columns. Nothing is trained, and the run folder is only read.
"""
_SKIPPED = ("path", "reason")
_MOST_TOLD = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.usage = f"{parser.prog} --run DIR NEW [NEW ...] [--out FILE] [options]"
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("NEW", nargs="+", metavar="NEW", help="new images, or rows of features")
    add("--run", metavar="DIR", required=True, help="the finished run, of any method")
    add(
        "--out",
        metavar="FILE",
        help="a .csv file, or .parquet with the extra 'parquet' (default: CSV to the standard "
        "output)",
    )
    add("--strict", action="store_true", help="refuse unreadable files instead of skipping them")
    add("--device", metavar="NAME", help="auto, cpu or cuda[:N] (default: the run's)")
    add("--precision", metavar="NAME", help="auto, fp32, bf16 or fp16 (default: the run's)")


def run(options: argparse.Namespace) -> int:
    """Name the clusters.

    Args:
        options: What `add_options` defines.

    Returns:
        0; 130 when interrupted.

    Raises:
        UserError: If the run, the images or the file do not fit.
    """
    from iciclegcn.prediction.files import require_table
    from iciclegcn.prediction.run import Run
    from iciclegcn.progress import make_reporter
    from iciclegcn.reporting_monitor import ReportingMonitor

    out = user_path(options.out) if options.out else None
    if out is not None:
        require_table(out)
    finished = Run.load(options.run, device=options.device, precision=options.precision)
    new = options.NEW[0] if len(options.NEW) == 1 else options.NEW
    reporter = make_reporter(sys.stderr)
    monitor = ReportingMonitor(reporter)
    try:
        reporter.begin("predict")
        found = finished.predict_to(new, out, strict=options.strict, monitor=monitor)
        reporter.end("predict", found.seconds)
    except BrokenPipeError:  # who reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        reporter.close()
        print("interrupted: no file was written; the same command begins anew", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        reporter.close()
    if out is None:
        _tell_skipped(found)
    else:
        listed = out.with_name(f"{out.stem}-skipped.csv")
        _list_skipped(found, listed)
        print(_summary(found, out, listed, finished.config.data.noun))
    return 0


def _list_skipped(found: "PredictionSummary", file: Path) -> None:
    """Write the list, or remove that of an earlier prediction."""
    from iciclegcn.run_folder.files import write_csv

    if found.skipped:
        write_csv(file, _SKIPPED, found.skipped)
    elif file.is_file():
        with file.open(encoding="utf-8", errors="replace") as stream:
            ours = stream.readline().strip() == ",".join(_SKIPPED)
        if ours:
            file.unlink()


def _tell_skipped(found: "PredictionSummary") -> None:
    for path, reason in found.skipped[:_MOST_TOLD]:
        print(f"skipped: '{path}' ({reason})", file=sys.stderr)
    if (more := len(found.skipped) - _MOST_TOLD) > 0:
        print(f"skipped: {more:,} more; --out FILE lists them all", file=sys.stderr)


def _summary(found: "PredictionSummary", out: Path, listed: Path, noun: str) -> str:
    skipped = f", {len(found.skipped):,} skipped ({listed})" if found.skipped else ""
    rate = found.predicted / found.seconds
    sizes = ", ".join(f"{size:,}" for size in found.sizes)
    lines = [
        ("predictions", str(out)),
        (noun, f"{found.predicted:,}{skipped}"),
        ("sizes", sizes),
        ("time", f"{found.seconds:.1f} s, {rate:,.0f} {noun}/s, loading included"),
    ]
    if found.unassigned:
        lines.insert(3, ("unassigned", f"{found.unassigned:,}"))
    return "\n".join(f"{name:<13}{text}" for name, text in lines)
