"""``iciclegcn datasets``: the data sets known by name, and which of them are here."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from iciclegcn.data.named import NAMED, NamedDataset
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError

if TYPE_CHECKING:
    from iciclegcn.data.availability import Availability


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.usage = f"{parser.prog} [--root DIR] [--json]"
    parser.epilog = "'iciclegcn run NAME' uses one; 'iciclegcn run NAME:DIR' looks in DIR for it."
    parser.add_argument(
        "--root", metavar="DIR", help="look there (default: $ICICLEGCN_DATA, else data)"
    )
    parser.add_argument("--json", action="store_true", help="print it for programs")


def run(options: argparse.Namespace) -> int:
    """Print every data set with its size and where it is.

    Args:
        options: ``root`` and ``json``.

    Raises:
        UserError: If ``root`` is no folder.
    """
    from iciclegcn.data.availability import find_dataset

    root = None if options.root is None else user_path(options.root)
    if root is not None and not root.is_dir():
        raise UserError(f"'--root' must be a folder (got '{options.root}')")
    found = [(dataset, find_dataset(dataset, root)) for dataset in NAMED.values()]
    print(_as_json(found) if options.json else _as_table(found))
    return 0


def _as_table(found: "Sequence[tuple[NamedDataset, Availability]]") -> str:
    header = ("name", "images", "pixels", "clusters", "here", "")
    rows = [header, *(_row(dataset, place) for dataset, place in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    lines = []
    for *cells, last in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        lines.append("  ".join([*padded, last]).rstrip())
    return "\n".join(lines)


def _row(dataset: NamedDataset, place: "Availability") -> tuple[str, ...]:
    pixels = f"{dataset.image_size} x {dataset.image_size}" if dataset.native else "any"
    here = "yes" if place.here else "no"
    clusters = str(dataset.num_clusters)
    return dataset.name, f"{dataset.num_images:,}", pixels, clusters, here, place.text


def _as_json(found: "Sequence[tuple[NamedDataset, Availability]]") -> str:
    plain = {
        dataset.name: {
            "summary": dataset.summary,
            "num_images": dataset.num_images,
            "image_size": dataset.image_size,
            "channels": dataset.channels,
            "num_clusters": dataset.num_clusters,
            "truth": dataset.truth,
            "here": place.here,
            "where": place.text,
        }
        for dataset, place in found
    }
    return json.dumps(plain, indent=2)
