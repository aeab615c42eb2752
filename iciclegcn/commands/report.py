"""``iciclegcn report``: write a finished run's report again."""

import argparse
from pathlib import Path

from iciclegcn.errors import UserError

_KINDS = ("auto", "umap", "pca")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.usage = f"{parser.prog} DIR [options]"
    parser.add_argument("DIR", nargs="?", metavar="DIR", help="the folder of a finished run")
    parser.add_argument(
        "--map",
        default="auto",
        metavar="KIND",
        help="how the map is laid out: umap, pca, or auto: UMAP where umap-learn is installed "
        "and works (default: auto)",
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write the curves, the scores and the montages for TensorBoard too, into "
        "DIR/tensorboard",
    )


def run(options: argparse.Namespace) -> int:
    """Write ``report.html`` and print its path."""
    if options.DIR is None:
        raise UserError("'iciclegcn report' needs the folder of a finished run")
    if options.map not in _KINDS:
        raise UserError(f"'--map' must be one of {', '.join(_KINDS)} (got '{options.map}')")
    from iciclegcn.report.write import write_report

    folder = Path(options.DIR)
    print(write_report(folder, map_kind=options.map))
    if options.tensorboard:
        from iciclegcn.report.tensorboard import log_finished_run

        print(log_finished_run(folder))
    return 0
