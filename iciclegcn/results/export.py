"""A finished run's images in a folder for each cluster, or its assignments as a table."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from iciclegcn.data.archives import ZipSource
from iciclegcn.data.base import ImageSource
from iciclegcn.data.decode import UnreadableImageError, pillow_warnings
from iciclegcn.data.sources import open_source
from iciclegcn.data.user_paths import user_path
from iciclegcn.errors import UserError
from iciclegcn.evaluation.per_image import UNASSIGNED, ImageFacts
from iciclegcn.monitor import NullMonitor, StageMonitor
from iciclegcn.prediction.files import prediction_file
from iciclegcn.run_folder.base import BaseRun
from iciclegcn.run_folder.files import TEMPORARY


class Exported(NamedTuple):
    """What was exported.

    Attributes:
        images: Images, or rows of the table.
        clusters: Clusters that have any.
    """

    images: int
    clusters: int


def export_table(run: BaseRun, to: Path) -> Exported:
    """Write the assignments of a run as a table; it appears whole or not at all.

    Args:
        run: A finished run.
        to: A ``.csv`` or ``.parquet`` file.

    Raises:
        UserError: If the file cannot be written, or needs a package that is not installed.
    """
    paths, clusters, confidences, margins, agreements = run.artefacts.read_assignments()
    with prediction_file(to) as write:
        write(paths, ImageFacts(clusters, confidences, margins, agreements))
    return Exported(len(paths), len(set(clusters.tolist()) - {UNASSIGNED}))


def export_images(
    run: BaseRun, to: Path, *, link: bool = False, monitor: StageMonitor | None = None
) -> Exported:
    """Copy a run's images into ``cluster-0``, ``cluster-1``, ... and ``unassigned``.

    Files keep their names, or get those of their folders before them where two share one. Images
    of an array are written as PNG, square as the run sees them. The folder appears whole or not at
    all.

    Args:
        run: A finished run on images, which are where they were.
        to: The folder, which is made.
        link: Make symbolic links to the files instead of copies.
        monitor: Told about the progress.

    Raises:
        UserError: If the folder holds something, the images have changed or are absent, or are no
            files that could be linked to.
    """
    monitor = monitor or NullMonitor()
    if run.config.data.kind == "features":
        raise UserError(
            f"the run in '{run.path}' is on rows of features, of which there are no images; give a "
            ".csv or .parquet file with --to"
        )
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"'{to}' is there already; give another --to")
    source, positions = _listed(run)
    root = user_path(run.data.source)
    if source.has_folders and root.is_dir() and to.resolve().is_relative_to(root.resolve()):
        raise UserError(
            f"'{to}' lies among the images of '{source.name}', whose number copies would double; "
            "give a folder outside"
        )
    if link and (isinstance(source, ZipSource) or not source.locations()):
        raise UserError(
            f"'--link' needs images that are files, and those of '{source.name}' are not; use "
            "--copy"
        )
    writer = _Writer(source, link=link)
    clusters = run.artefacts.read_assignments().clusters
    names = file_names([source.paths[position] for position in positions], writer.suffix)
    folders = _folder_names(int(run.config.num_clusters or 0))
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{to.name}-", dir=to.parent))
        try:
            partial.chmod(0o755)
            for done, (position, cluster) in enumerate(zip(positions, clusters, strict=True)):
                folder = partial / folders[int(cluster)]
                folder.mkdir(exist_ok=True)
                writer.write(int(position), folder / names[done])
                monitor.progress(done + 1, len(clusters), unit="image")
            partial.replace(to)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write '{to}': {error.strerror or error}") from error
    return Exported(len(clusters), len(set(clusters.tolist()) - {UNASSIGNED}))


def file_names(paths: Sequence[str], suffix: str = "") -> list[str]:
    """A file name for every image, no two alike, also where upper case is lower case.

    Args:
        paths: What names the images.
        suffix: Added to each.

    Returns:
        The last parts of the paths; where two of them are alike all parts, joined; and where two
        are still alike, with the images' numbers before them.
    """
    parts = [_parts(path) for path in paths]
    names = [each[-1] for each in parts]
    if _repeated(names):
        names = ["__".join(each) for each in parts]
    if _repeated(names):  # all of them: one that has none may look as if it had
        names = [f"{index}__{name}" for index, name in enumerate(names)]
    return [f"{name}{suffix}" for name in names]


class _Writer:
    """Puts one image into a file."""

    def __init__(self, source: ImageSource, *, link: bool) -> None:
        self._source = source
        self._link = link
        self._locations = source.locations()
        self._pixels = not self._locations
        self.suffix = ".png" if self._pixels else ""

    def write(self, position: int, file: Path) -> None:
        if self._pixels:
            self._write_pixels(position, file)
        elif isinstance(self._source, ZipSource):
            try:
                file.write_bytes(self._source.content(position))
            except UnreadableImageError as error:
                raise UserError(
                    f"'{self._source.paths[position]}' cannot be unpacked ({error})"
                ) from error
        elif not (original := Path(self._locations[position])).is_file():
            raise UserError(f"'{original}' is no longer there; restore it to export the run")
        elif self._link:
            file.symlink_to(original)
        else:
            shutil.copy2(original, file)

    def _write_pixels(self, position: int, file: Path) -> None:
        size, channels = self._source.native_size, self._source.native_channels
        with pillow_warnings():
            pixels = self._source.read(position, size or 224, channels)
        plain = pixels[0] if channels == 1 else pixels.transpose(1, 2, 0)
        Image.fromarray(np.ascontiguousarray(plain)).save(file)


def _listed(run: BaseRun) -> tuple[ImageSource, list[int]]:
    """The run's images, and the position of each in their listing."""
    source, listing = open_source(run.data), run.artefacts.read_listing()
    there = source.paths
    positions = [int(position) for position in listing.kept]
    pairs = zip(positions, listing.paths, strict=True)
    if any(position >= len(there) or there[position] != path for position, path in pairs):
        raise UserError(
            f"the images of '{source.name}' have changed since the run in '{run.path}' was made; "
            "restore them to export it"
        )
    return source, positions


def _folder_names(num_clusters: int) -> dict[int, str]:
    width = len(str(num_clusters - 1))
    names = {cluster: f"cluster-{cluster:0{width}}" for cluster in range(num_clusters)}
    return names | {UNASSIGNED: "unassigned"}


def _parts(path: str) -> list[str]:
    """The parts of a path that may be in a file's name."""
    parts = PurePosixPath(path.replace("\\", "/").replace(":", "_")).parts
    return [part for part in parts if part not in ("/", "..")] or ["image"]


def _repeated(names: Sequence[str]) -> bool:
    return len({name.casefold() for name in names}) < len(names)
