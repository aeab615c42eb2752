"""What every source of images, or of features, offers."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from iciclegcn.data.decode import Pixels
from iciclegcn.data.named import NamedDataset


class Source(ABC):
    """A fixed, ordered listing of items: images, or rows of features.

    It never holds labels: those come from `iciclegcn.data.labels`, for evaluation.

    Attributes:
        name: What the user typed.
        dataset: The named data set it is, if any.
        has_folders: Whether ``paths`` are those of files, whose folders may mean something.
    """

    name: str
    dataset: NamedDataset | None = None
    has_folders: bool = False

    @property
    @abstractmethod
    def paths(self) -> Sequence[str]:
        """What names each item for the user, in index order."""

    def locations(self) -> Sequence[str]:
        """Absolute paths in index order, where items are files (or members of one); else empty."""
        return ()

    def __len__(self) -> int:
        return len(self.paths)


class ImageSource(Source):
    """A listing of images, read one at a time and from any thread.

    Attributes:
        native_size: Side in pixels that all its images share; None for image files.
        native_channels: 1 or 3.
    """

    native_size: int | None = None
    native_channels: int = 3

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash that changes when the listing or a listed file changes; decodes nothing."""

    @abstractmethod
    def read(self, index: int, size: int, channels: int) -> Pixels:
        """Decode one image to [channels, size, size].

        Raises:
            UnreadableImageError: If that image cannot be used.
        """

    def release(self) -> None:
        """Let go of pixels held in memory; they are loaded again when asked for."""


def hash_rows(kind: str, rows: Sequence[tuple[object, ...]]) -> str:
    """A hash of a listing; ``kind`` keeps different sorts of sources apart."""
    digest = hashlib.sha256(kind.encode())
    for row in rows:
        digest.update("\0".join(map(str, row)).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def path_exists(path: Path) -> bool:
    """Whether a path is there and may be looked at; never an exception, however odd the path."""
    try:
        return path.exists()
    except OSError:
        return False


def printable(path: str) -> str:
    """A path that any text file can hold: bytes that are not UTF-8 become a replacement mark."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
