"""What is kept beside a saved index: plain JSON."""

import json
from pathlib import Path
from typing import NamedTuple

from graphs.neighbors import SearchReport
from graphs.plan import INDEXES
from graphs.rows import METRICS

_FILE = "index.json"
_FORMAT = 1


class IndexRecord(NamedTuple):
    """What an index must know of itself to be searched again.

    Attributes:
        metric: ``l2`` or ``cosine``.
        num_rows: N.
        dim: D.
        fingerprint: See `graphs.rows.Rows.fingerprint`.
        k: Neighbours that the search was tuned for.
        report: Kind, settings and recall.
    """

    metric: str
    num_rows: int
    dim: int
    fingerprint: str
    k: int
    report: SearchReport


def write_record(folder: Path, record: IndexRecord) -> None:
    """Write ``index.json``, whole or not at all."""
    content = {"format": _FORMAT, **record._asdict(), "report": record.report._asdict()}
    partial = folder / f"{_FILE}.partial"
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / _FILE)


def read_record(folder: Path) -> IndexRecord:
    """Read ``index.json``.

    Raises:
        ValueError: If it is absent, damaged or of a later version.
    """
    file = folder / _FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = content.pop("format")
        record = IndexRecord(**{**content, "report": SearchReport(**content["report"])})
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"'{file}' is absent or damaged; build the index anew") from error
    if version != _FORMAT or record.metric not in METRICS or record.report.kind not in INDEXES:
        raise ValueError(f"'{file}' was written by another version; build the index anew")
    return record
