"""A zip archive of images, read in place."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from iciclegcn.data.base import ImageSource, hash_rows, printable
from iciclegcn.data.decode import Pixels, UnreadableImageError, decode_image
from iciclegcn.data.files import MAX_FILE_BYTES, is_image_name, suffix_list
from iciclegcn.errors import UserError


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
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UserError(
                f"'{file}' is not a readable zip archive ({error}); make it again or unpack it and "
                "give the folder"
            ) from error
        members = {info.filename: info for info in self._archive.infolist() if not info.is_dir()}
        self._members = [members[key] for key in sorted(members) if is_image_name(key)]
        self._paths = [printable(info.filename) for info in self._members]
        if not self._members:
            raise UserError(
                f"'{file}' holds no images; a zip of {suffix_list()} files is what is needed"
            )

    @property
    def paths(self) -> Sequence[str]:
        return self._paths

    def fingerprint(self) -> str:
        # Contents, not the place: a copied or moved archive needs no new cache.
        return hash_rows("zip", [(m.filename, m.file_size, m.CRC) for m in self._members])

    def read(self, index: int, size: int, channels: int) -> Pixels:
        return decode_image(self.content(index), size, channels)

    def content(self, index: int) -> bytes:
        """A member's bytes as they are.

        Raises:
            UnreadableImageError: If they cannot be unpacked.
        """
        member = self._members[index]
        if _leaves_archive(member.filename):
            raise UnreadableImageError("its name leaves the archive")
        if member.file_size > MAX_FILE_BYTES:
            raise UnreadableImageError(f"{member.file_size} bytes when unpacked: too large")
        try:
            return self._archive.read(member)
        # A damaged archive raises zlib.error, BadZipFile, EOFError, ...; an encrypted one
        # RuntimeError; an unknown compression NotImplementedError.
        except Exception as error:
            raise UnreadableImageError(str(error) or type(error).__name__) from error

    def locations(self) -> Sequence[str]:
        return [os.path.normpath(self._file / path) for path in self._paths]


def _leaves_archive(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "" or ".." in parts
