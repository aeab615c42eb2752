"""``iciclegcn export``: a finished run's images in a folder per cluster, or its table."""

import argparse
import sys

from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import EXIT_INTERRUPTED, UserError

_EPILOG = """\
A --to that ends in .parquet or .csv is the table of assignments, for which the
images are not needed; anything else is a folder, with a folder in it for each
cluster. .parquet needs the extra 'parquet'.
"""
_TABLES = (".csv", ".parquet")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.usage = f"{parser.prog} --run DIR --to FOLDER [--copy | --link]"
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--run", metavar="DIR", required=True, help="the finished run, of any method")
    add("--to", metavar="PATH", required=True, help="a folder, made; or a .parquet or .csv file")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--copy", action="store_true", help="copy the images (the default)")
    how.add_argument("--link", action="store_true", help="make symbolic links to them")


def run(options: argparse.Namespace) -> int:
    """Export the run.

    Args:
        options: What `add_options` defines.

    Returns:
        0; 130 when interrupted.

    Raises:
        UserError: If the run, its images or the target do not fit.
    """
    from iciclegcn.prediction.files import require_table
    from iciclegcn.progress import make_reporter
    from iciclegcn.reporting_monitor import ReportingMonitor
    from iciclegcn.results.export import export_images, export_table
    from iciclegcn.run_folder.base import open_base

    finished, to = open_base(user_path(options.run)), user_path(options.to)
    if to.suffix.lower() in _TABLES:
        if options.copy or options.link:
            flag = "--copy" if options.copy else "--link"
            raise UserError(
                f"'{flag}' changes nothing where '{to}' is a table; leave it out, or give a folder"
            )
        require_table(to)
        exported = export_table(finished, to)
        print(f"{exported.images:,} rows of {exported.clusters} clusters: {to}")
        return 0
    reporter = make_reporter(sys.stderr)
    try:
        reporter.begin("export")
        monitor = ReportingMonitor(reporter)
        exported = export_images(finished, to, link=options.link, monitor=monitor)
    except KeyboardInterrupt:
        reporter.close()
        print("interrupted: no folder was made; the same command begins anew", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        reporter.close()
    done = "linked" if options.link else "copied"
    print(f"{exported.images:,} images of {exported.clusters} clusters {done}: {to}")
    return 0
