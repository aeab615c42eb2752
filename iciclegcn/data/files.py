"""Image files: a folder, a zip read in place, or a list of paths."""

import csv
import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from iciclegcn.data.base import ImageSource, hash_rows, printable
from iciclegcn.data.decode import SUFFIXES, Pixels, UnreadableImageError, decode_image
from iciclegcn.data.named import NamedDataset
from iciclegcn.errors import UserError

# A larger file is no photograph; a zip can promise anything.
MAX_FILE_BYTES = 2**29


class FileSource(ImageSource):
    """Image files on disk, in the order given.

    Args:
        name: What the user typed.
        root: The folder that ``paths`` are relative to.
        paths: Paths as the user should see them, relative or absolute.
        dataset: The named data set they are.
    """

    has_folders = True

    def __init__(
        self,
        name: str,
        root: Path,
        paths: Sequence[str],
        dataset: NamedDataset | None = None,
    ) -> None:
        self.name = name
        self.dataset = dataset
        self.native_size = dataset.image_size if dataset is not None and dataset.native else None
        self._root = root.resolve()
        self._files = list(paths)
        self._paths = [printable(path) for path in paths]

    @property
    def paths(self) -> Sequence[str]:
        return self._paths

    def fingerprint(self) -> str:
        rows: list[tuple[object, ...]] = [("root", self._root)]
        for path in self._files:
            try:
                info = (self._root / path).stat()
                rows.append((path, info.st_size, info.st_mtime_ns))
            except OSError:
                rows.append((path, "missing"))
        return hash_rows("files", rows)

    def read(self, index: int, size: int, channels: int) -> Pixels:
        return decode_image(_read_file(self._root / self._files[index]), size, channels)

    def locations(self) -> Sequence[str]:
        return [os.path.normpath(self._root / path) for path in self._files]


class ZipSource(ImageSource):
    """The images of a zip archive, read in place; nothing is ever extracted.

    Paths are the members' names. Members whose name leaves the archive are unreadable.
    """

    has_folders = True

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self._file = file.resolve()
        try:
            # Stays open: it serves reads from any thread, each under its own lock.
            self._archive = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise UserError(
                f"'{file}' is not a readable zip archive ({error}); make it again or unpack it and "
                "give the folder"
            ) from error
        members = {info.filename: info for info in self._archive.infolist() if not info.is_dir()}
        self._members = [members[key] for key in sorted(members) if is_image_name(key)]
        self._paths = [printable(info.filename) for info in self._members]
        if not self._members:
            raise UserError(
                f"'{file}' holds no images; a zip of {_suffix_list()} files is what is needed"
            )

    @property
    def paths(self) -> Sequence[str]:
        return self._paths

    def fingerprint(self) -> str:
        # Contents, not the place: a copied or moved archive needs no new cache.
        return hash_rows("zip", [(m.filename, m.file_size, m.CRC) for m in self._members])

    def read(self, index: int, size: int, channels: int) -> Pixels:
        member = self._members[index]
        if _leaves_archive(member.filename):
            raise UnreadableImageError("its name leaves the archive")
        if member.file_size > MAX_FILE_BYTES:
            raise UnreadableImageError(f"{member.file_size} bytes when unpacked: too large")
        try:
            data = self._archive.read(member)
        # A damaged archive raises zlib.error, BadZipFile, EOFError, ...; an encrypted one
        # RuntimeError; an unknown compression NotImplementedError.
        except Exception as error:
            raise UnreadableImageError(str(error) or type(error).__name__) from error
        return decode_image(data, size, channels)

    def locations(self) -> Sequence[str]:
        return [os.path.normpath(self._file / path) for path in self._paths]


def open_folder(
    name: str,
    root: Path,
    *,
    subfolders: Sequence[str] | None = None,
    dataset: NamedDataset | None = None,
) -> FileSource:
    """List a folder's images, at any depth, sorted by their path.

    Hidden files and folders and ``__MACOSX`` are left out. Links are followed, except one that
    leads back to a folder it lies in.

    Args:
        name: What the user typed.
        root: The folder.
        subfolders: Only these folders right below ``root``; None: everything.
        dataset: The named data set it is.

    Raises:
        UserError: If there is no image, or a folder may not be read.
    """
    starts = [root] if subfolders is None else [root / folder for folder in subfolders]
    try:
        paths = [path for start in starts for path in _walk(start, root, ())]
    except OSError as error:
        raise UserError(
            f"the folder '{error.filename}' cannot be read ({error.strerror}); "
            "change its permissions or move it away"
        ) from error
    if not paths:
        raise UserError(f"the folder '{root}' holds no images ({_suffix_list()}) at any depth")
    return FileSource(name, root, sorted(paths), dataset)


def open_list(name: str, file: Path) -> FileSource:
    """Read a list of image paths, in its own order, relative to the list's folder.

    A text file has one path a line; empty lines and those starting with ``#`` do not count. A
    ``.csv`` (``.tsv``) file has a header with a column ``path``, or paths in its first column; a
    first row that names no image is a header.

    Raises:
        UserError: If the list is empty or not text, or none of its files is there.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the list '{file}' cannot be read as UTF-8 text ({error}); save it so, one path a line"
        ) from error
    if file.suffix.lower() in (".csv", ".tsv"):
        paths = _csv_paths(text, "\t" if file.suffix.lower() == ".tsv" else ",")
    else:
        lines = (line.strip() for line in text.splitlines())
        paths = [line for line in lines if line and not line.startswith("#")]
    if not paths:
        raise UserError(f"the list '{file}' names no images; give one path a line")
    root = file.resolve().parent
    if not any((root / path).exists() for path in paths):
        raise UserError(
            f"none of the {len(paths)} files in the list '{file}' exists, the first would be "
            f"'{root / paths[0]}'; paths are relative to the list's own folder"
        )
    return FileSource(name, root, paths)


def is_image_name(path: str) -> bool:
    """Whether a path has an image's suffix and no hidden or ``__MACOSX`` part."""
    pure = PurePosixPath(path.replace("\\", "/"))
    if pure.suffix.lower() not in SUFFIXES:
        return False
    return not any(_hidden(part) for part in pure.parts)


def _hidden(part: str) -> bool:
    return part == "__MACOSX" or (part.startswith(".") and part not in (".", ".."))


def _walk(folder: Path, root: Path, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    info = folder.stat()
    identity = (info.st_dev, info.st_ino)
    if identity in above:  # a link back to a folder we are in
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if _hidden(entry.name):
                continue
            if entry.is_dir():
                yield from _walk(Path(entry.path), root, (*above, identity))
            # A broken link is listed: it is a missing image, which the user should hear about.
            elif is_image_name(entry.name) and (entry.is_file() or _is_broken_link(entry)):
                yield Path(entry.path).relative_to(root).as_posix()


def _is_broken_link(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not Path(entry.path).exists()


def _csv_paths(text: str, delimiter: str) -> list[str]:
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)]
    if not rows:
        return []
    header = [cell.strip().lower() for cell in rows[0]]
    column = header.index("path") if "path" in header else 0
    if "path" in header or PurePosixPath(header[0]).suffix not in SUFFIXES:
        rows = rows[1:]
    return [row[column].strip() for row in rows if len(row) > column and row[column].strip()]


def _leaves_archive(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "" or ".." in parts


def _read_file(file: Path) -> bytes:
    try:
        info = file.stat()
        if not stat.S_ISREG(info.st_mode):
            raise UnreadableImageError("not a file")
        if info.st_size > MAX_FILE_BYTES:
            raise UnreadableImageError(f"{info.st_size} bytes: too large")
        return file.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableImageError("no such file") from error
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from error


def _suffix_list() -> str:
    return ", ".join(suffix[1:] for suffix in SUFFIXES)
