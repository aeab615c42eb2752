"""Atomic files and a folder's lock: what a run folder is built on."""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO

from iciclegcn.errors import UserError

LOCK = ".lock"

TEMPORARY = ".writing-"


def write_atomically(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replace a file as a whole: whatever happens meanwhile, the old or the new one is there.

    Args:
        file: Where to write; its folder is made.
        write: Puts the content into an open file.

    Raises:
        UserError: If the system refuses to write, as on a full disk.
    """
    temporary = file.with_name(f"{TEMPORARY}{file.name}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        _sync_folder(file.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"cannot write '{file}': {error.strerror or error}") from error


def write_text(file: Path, text: str) -> None:
    """Replace a UTF-8 text file atomically."""
    write_atomically(file, lambda stream: stream.write(text.encode("utf-8", "replace")))


def write_json(file: Path, content: object) -> None:
    """Replace a JSON file atomically.

    Raises:
        ValueError: If a number is not finite: such a file would be no JSON.
    """
    write_text(file, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Replace a CSV file atomically; lines end in a line feed."""
    write_text(file, csv_text(header, rows))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """What `write_csv` writes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UserError: If it cannot be read or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read '{file}': {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"'{file}' is damaged (not JSON); give another --out") from error
    if not isinstance(content, dict):
        raise UserError(f"'{file}' is damaged (not a JSON object); give another --out")
    return content


def read_csv(
    file: Path, header: Sequence[str], *, older: Sequence[str] | None = None
) -> list[list[str]]:
    """The rows below a CSV file's header.

    Args:
        file: The file.
        header: Its columns.
        older: Columns that it may have instead.

    Raises:
        UserError: If it cannot be read or has other columns.
    """
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            first, *rows = csv.reader(stream)
    except OSError as error:
        raise UserError(f"cannot read '{file}': {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise UserError(f"'{file}' is damaged (no table); give another --out") from error
    known = [list(columns) for columns in (header, older or header)]
    if first not in known or any(len(row) != len(first) for row in rows):
        raise UserError(f"'{file}' is damaged (not {', '.join(header)}); give another --out")
    return rows


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files of a killed process; only for the holder of the lock.

    A folder inside with a lock of its own, another run, is left alone.
    """
    for place, folders, names in os.walk(folder):
        inside = Path(place)
        folders[:] = [name for name in folders if not (inside / name / LOCK).exists()]
        for name in filter(is_leftover, names):
            (inside / name).unlink(missing_ok=True)


def is_leftover(name: str) -> bool:
    """Whether a file of that name is an unfinished one of ours."""
    return name.startswith(TEMPORARY)


class FolderLock:
    """Keeps other processes out of a folder until closed; the system frees it if we are killed.

    Args:
        file: The lock's file; it stays behind, unlocked.

    Raises:
        UserError: If another process holds it.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._stream: IO[bytes] = file.open("ab")
        except OSError as error:
            raise UserError(
                f"cannot write to '{file.parent}': {error.strerror or error}; give another --out"
            ) from error
        if not _lock(self._stream.fileno()):
            self._stream.close()
            raise UserError(
                f"another process is working in '{file.parent}'; wait for it, or give another --out"
            )

    def close(self) -> None:
        """Let others in."""
        self._stream.close()


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
