"""The truth about the images of a run, for its figures and its report."""

from pathlib import Path

from iciclegcn.config import DataConfig
from iciclegcn.data.labels import Labels, read_labels
from iciclegcn.data.sources import Source, open_listing
from iciclegcn.errors import UserError
from iciclegcn.run_folder.artefacts import RunArtefacts


def read_truth(path: Path, data: DataConfig, source: Source | None = None) -> Labels | None:
    """The class of every image of a run, or None where there is no truth.

    Args:
        path: The run folder.
        data: Where the images and the truth are.
        source: Those images, where they have been listed already.

    Raises:
        UserError: If the images are absent or others than the run's, or the labels do not fit.
    """
    listing = RunArtefacts(path).read_listing()
    source = open_listing(data) if source is None else source
    there = source.paths
    pairs = zip(listing.kept, listing.paths, strict=True)
    if any(position >= len(there) or there[position] != name for position, name in pairs):
        raise UserError(
            f"the {data.noun} of '{data.source}' have changed since the run in '{path}' began; "
            "restore them to evaluate it"
        )
    return read_labels(source, data, listing.kept)
