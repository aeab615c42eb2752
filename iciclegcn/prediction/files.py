"""Tables of assignments, written a batch at a time: CSV, or Parquet with an extra."""

import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, TypeAlias

from iciclegcn.errors import UserError
from iciclegcn.evaluation.per_image import ImageFacts
from iciclegcn.run_folder.files import TEMPORARY
from iciclegcn.run_folder.tables import ASSIGNMENTS, assignment_rows

SUFFIXES = (".csv", ".parquet")
Write: TypeAlias = Callable[[Sequence[str], ImageFacts], None]


def require_table(file: Path) -> None:
    """Make sure that a file can become a table, before anything is computed for it.

    Raises:
        UserError: If its name ends in nothing known, or in .parquet and pyarrow is not installed.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise UserError(f"'{file}' must end in .csv or .parquet (got '{file.suffix}')")
    if file.is_dir():
        raise UserError(f"'{file}' is a folder; give a file")
    if file.suffix.lower() == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"'{file}' needs the package pyarrow: pip install 'iciclegcn[parquet]', or give a "
                ".csv file"
            ) from error


@contextmanager
def prediction_file(out: Path | None) -> Iterator[Write]:
    """Rows as they come; the file has its name when the block ends without an error.

    Args:
        out: A ``.csv`` or ``.parquet`` file; None: CSV to the standard output.

    Yields:
        A function that takes paths and facts of some images.

    Raises:
        UserError: If the file cannot be written.
    """
    if out is None:
        yield _csv_writer(sys.stdout)
        sys.stdout.flush()
        return
    require_table(out)
    partial = out.with_name(f"{TEMPORARY}{out.name}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with (_parquet if out.suffix.lower() == ".parquet" else _csv)(partial) as write:
            yield write
        partial.replace(out)
    except OSError as error:
        raise UserError(f"cannot write '{out}': {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # it may never have been there
            partial.unlink()


@contextmanager
def _csv(file: Path) -> Iterator[Write]:
    # Bytes that are no UTF-8 cannot come: paths are printable.
    with file.open("w", encoding="utf-8", newline="") as stream:
        yield _csv_writer(stream)
        stream.flush()
        os.fsync(stream.fileno())


def _csv_writer(stream: TextIO) -> Write:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(ASSIGNMENTS)

    def write(paths: Sequence[str], facts: ImageFacts) -> None:
        writer.writerows(assignment_rows(paths, facts))

    return write


@contextmanager
def _parquet(file: Path) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (pa.string(), pa.int64(), pa.float64(), pa.float64(), pa.float64())
    schema = pa.schema(list(zip(ASSIGNMENTS, kinds, strict=True)))
    with pq.ParquetWriter(file, schema) as writer:

        def write(paths: Sequence[str], facts: ImageFacts) -> None:
            columns = [
                pa.array(column, kind, from_pandas=True)  # NaN: not known, as a blank in a CSV
                for column, kind in zip((paths, *facts), kinds, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))

        yield write
