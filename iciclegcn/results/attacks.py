"""Accuracy of a finished run's classifier under perturbed images."""

from functools import partial
from typing import Any

import numpy as np

from iciclegcn.data.cache import load_or_build_cache
from iciclegcn.data.decode import Pixels as Images
from iciclegcn.data.sources import open_source
from iciclegcn.data.views import MEAN, STD, evaluation_view
from iciclegcn.errors import UserError
from iciclegcn.evaluation.matching import matched_clusters
from iciclegcn.evaluation.robustness import ATTACKS, Pixels, robustness
from iciclegcn.monitor import StageMonitor
from iciclegcn.results.networks import read_classifier
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.stages.parts import make_runtime


def figures_under_attack(folder: RunFolder, y: np.ndarray, monitor: StageMonitor) -> dict[str, Any]:
    """Accuracy without and with every attack, by its name.

    An IcicleGCN run is attacked through its encoder, which names clusters for an image alone: see
    `iciclegcn.results.networks.read_classifier`. Its accuracy is not that of assignments.csv.

    Args:
        folder: Of a run whose clusters are there.
        y: True classes [N].
        monitor: Told about the progress.

    Raises:
        UserError: If the images have changed.
    """
    config = folder.config
    images = _images(folder, monitor)
    model = read_classifier(folder.artefacts, config).to(make_runtime(config).device)
    size = config.data.image_size or images.shape[-1]
    pixels = Pixels(partial(evaluation_view, size=size), MEAN, STD)
    targets = matched_clusters(y, folder.artefacts.read_every_cluster())
    figures: dict[str, Any] = {}
    for number, attack in enumerate(ATTACKS):
        monitor.progress(number, len(ATTACKS), unit="attack")
        found = robustness(model, images, targets, pixels, attack=attack, seed=config.seed)
        figures[attack] = found.figures()
    return figures


def _images(folder: RunFolder, monitor: StageMonitor) -> Images:
    data = folder.data
    cached = load_or_build_cache(open_source(data), data, monitor=monitor)
    known = folder.manifest.data
    if known is None or known.get("hash") != cached.data_hash:
        raise UserError(
            f"the images of '{data.source}' have changed since the run in '{folder.path}' began; "
            "restore them to evaluate it"
        )
    return cached.images
