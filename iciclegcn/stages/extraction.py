"""The stage that shows images to a frozen backbone."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.data.cache import CachedImages
from iciclegcn.data.feature_scaling import fit_scaling
from iciclegcn.errors import UserError
from iciclegcn.methods.extraction import agrees, extract, rows_there
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.pretrained.loading import build_network, load_backbone
from iciclegcn.progress import Reporter
from iciclegcn.run_folder.backbone import write_backbone
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.scaling import write_scaling
from iciclegcn.stages.parts import make_runtime, runtime_facts, summon, without_labels
from iciclegcn.stages.rank_tasks import join

_ROWS_AT_A_TIME = 8192


def extract_images(folder: RunFolder, images: CachedImages, reporter: Reporter) -> None:
    """Images to ``features.npy``, and the network's description to ``backbone.json``.

    Raises:
        UserError: If the network or its weights cannot be had.
    """
    config = without_labels(folder.config)
    runtime = make_runtime(config)
    with folder.stage("extract", reporter, runtime_facts(runtime)) as monitor:
        network = load_backbone(config.backbone)
        if not agrees(network, images.images, config, runtime):
            network.full_precision = True
            monitor.note(f"features in fp32: in {runtime.precision} they differ too much")
        file = folder.path / "checkpoints" / "extract.npy"
        first = rows_there(network, len(images.images), monitor, file)
        shared = (network.state_dict(), network.full_precision, first)
        summon(join_extraction, config, runtime, images, *shared)
        extract(images.images, network, config, runtime, monitor, file, first)
        _write_scaled(folder, images, file)
        write_backbone(folder.path, config.backbone, network, runtime.precision)
    # Only now: after an interruption before the stage is done, every row would be computed anew.
    file.unlink(missing_ok=True)


def _write_scaled(folder: RunFolder, images: CachedImages, file: Path) -> None:
    """The rows of a file, scaled, to ``features.npy``; the scaling to ``feature_scaling.npz``."""
    x: NDArray[np.float32] = np.load(file, mmap_mode="r", allow_pickle=False)

    def blocks() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(x), _ROWS_AT_A_TIME):
            rows = x[start : start + _ROWS_AT_A_TIME]
            odd = np.flatnonzero(~np.isfinite(rows).all(axis=1))
            if len(odd):
                raise UserError(
                    f"the backbone {folder.config.backbone.name} gives features that are not "
                    f"finite, first for '{images.paths[start + odd[0]]}'; try --precision fp32"
                )
            yield rows

    scaling = fit_scaling(blocks(), x.shape[1], folder.config.data.scaling)
    write_scaling(folder.artefacts, scaling)
    folder.artefacts.write_rows("features", map(scaling.apply, blocks()), x.shape)


def join_extraction(
    config: Config,
    precision: str,
    data_hash: str,
    state: Mapping[str, Tensor],
    full_precision: bool,
    first: int,
) -> None:
    """Extract with the other ranks; see `iciclegcn.methods.extraction.extract`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in.
        data_hash: What rank 0's images hash to.
        state: The network's ``state_dict``: only rank 0 may have its weights.
        full_precision: Whether the network computes in float32 all the same.
        first: The first row that is to be computed.

    Raises:
        UserError: If the images here are not those of rank 0.
    """
    runtime, images = join(config, precision, data_hash)
    network = build_network(config.backbone)
    network.load_state_dict(state)
    network.full_precision = full_precision
    extract(images, network, config, runtime, NullMonitor(), first=first)
