"""Image files: a folder, or a list of paths."""

import csv
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from iciclegcn.data.base import ImageSource, hash_rows, path_exists, printable
from iciclegcn.data.decode import SUFFIXES, Pixels, UnreadableImageError, decode_image
from iciclegcn.data.named import NamedDataset
from iciclegcn.errors import UserError

# A larger file is no photograph; a zip can promise anything.
MAX_FILE_BYTES = 2**29
# What tells a run folder from others.
_OF_A_RUN = ("manifest.json", "config.yaml")


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
                # The mode too: a file made readable is another file.
                rows.append((path, info.st_size, info.st_mtime_ns, info.st_mode))
            except (OSError, ValueError):
                rows.append((path, "missing"))
        return hash_rows("files", rows)

    def read(self, index: int, size: int, channels: int) -> Pixels:
        return decode_image(_read_file(self._root / self._files[index]), size, channels)

    def locations(self) -> Sequence[str]:
        return [os.path.normpath(self._root / path) for path in self._files]


def open_folder(
    name: str,
    root: Path,
    *,
    subfolders: Sequence[str] | None = None,
    dataset: NamedDataset | None = None,
) -> FileSource:
    """List a folder's images, at any depth, sorted by their path.

    Hidden files and folders, ``__MACOSX`` and run folders are left out. Links are followed, except
    one that leads back to a folder it lies in.

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
        raise UserError(f"the folder '{root}' holds no images ({suffix_list()}) at any depth")
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
        paths = _listed_paths(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"the list '{file}' cannot be read as UTF-8 text ({error}); save it so, one path a line"
        ) from error
    if not paths:
        raise UserError(f"the list '{file}' names no images; give one path a line")
    root = file.resolve().parent
    if not any(path_exists(root / path) for path in paths):
        raise UserError(
            f"none of the {len(paths)} files in the list '{file}' exists, the first would be "
            f"'{root / paths[0]}'; paths are relative to the list's own folder"
        )
    return FileSource(name, root, paths)


def suffix_list() -> str:
    """The suffixes of image files, for messages."""
    return ", ".join(suffix[1:] for suffix in SUFFIXES)


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
    if above and all((folder / name).is_file() for name in _OF_A_RUN):
        return  # what a run has drawn of these images is none of them
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
    return entry.is_symlink() and not path_exists(Path(entry.path))


def _listed_paths(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8-sig")
    suffix = file.suffix.lower()
    if suffix not in (".csv", ".tsv"):
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]
    table = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if suffix == ".tsv" else ",")
    rows = [row for row in table if any(row)]
    if not rows:
        return []
    header = [cell.strip().lower() for cell in rows[0]]
    column = header.index("path") if "path" in header else 0
    if "path" in header or PurePosixPath(header[0]).suffix not in SUFFIXES:
        rows = rows[1:]
    return [row[column].strip() for row in rows if len(row) > column and row[column].strip()]


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
    # ValueError: a path with a null character.
    except (OSError, ValueError) as error:
        raise UnreadableImageError(getattr(error, "strerror", None) or str(error)) from error
