"""Where RUC starts: fresh heads, and the images of the clustering that are trusted."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from iciclegcn.config import Config
from iciclegcn.data.views import evaluation_view
from iciclegcn.errors import UserError
from iciclegcn.methods.classifiers import AnyClassifier
from iciclegcn.methods.ruc_sampling import Clustering, sample_clean
from iciclegcn.methods.ruc_trust import Trust
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.classifier import Classifier, ClassifierEnsemble
from iciclegcn.runtime import Runtime


def check_clustering(
    images: np.ndarray, clustering: Clustering, config: Config, runtime: Runtime
) -> None:
    """Refuse what cannot be refined.

    Raises:
        ValueError: If the clustering does not fit the images or K.
        UserError: If there are more processes than images in a batch.
    """
    lengths = tuple(len(part) for part in clustering)
    if set(lengths) != {len(images)}:
        raise ValueError(f"'clustering' must be of the {len(images)} images (got {lengths} rows)")
    low, high = int(clustering.assignments.min()), int(clustering.assignments.max())
    num_clusters = int(config.num_clusters or 0)
    if low < 0 or high >= num_clusters:
        raise ValueError(
            f"'clustering.assignments' must be in [0, {num_clusters}) (got {low} to {high}); "
            "set 'num_clusters' to the number of its clusters"
        )
    least = min(config.ruc.batch_size, len(images))
    if least < runtime.ranks.size:
        raise UserError(
            f"'ruc.batch_size' must be at least the number of processes, {runtime.ranks.size} "
            f"(got {least}); raise it, or start fewer with --devices"
        )


def first_trust(
    clustering: Clustering, config: Config, runtime: Runtime, monitor: StageMonitor
) -> Trust:
    """What is believed before the first epoch: the clustering's labels of its clean images.

    Args:
        clustering: Any clusterer's.
        config: The run's configuration.
        runtime: Seeds the search for neighbours.
        monitor: Warned of clusters without a clean image.

    Returns:
        No network is relied on, since none has learned.
    """
    clean = torch.from_numpy(sample_clean(clustering, config, runtime, monitor))
    labels = torch.from_numpy(clustering.assignments)
    without = int((torch.bincount(labels) > 0).sum()) - len(torch.unique(labels[clean]))
    if without > 0:
        monitor.warn(
            f"{without} of the clusters have no clean image and nothing that keeps them: raise "
            "'ruc.least_clean', or lower 'ruc.confidence_threshold'"
        )
    num_networks = 2 if config.ruc.co_training else 1
    return Trust(clean, labels, torch.zeros(len(labels), num_networks))


def fresh_networks(
    images: np.ndarray, backbone: nn.Module, config: Config, runtime: Runtime
) -> AnyClassifier:
    """Two copies of a backbone with heads of their own, or one without ``ruc.co_training``.

    Args:
        images: uint8 [N, C, S, S]; the first tells how many features there are.
        backbone: Images to features; left as it is.
        config: The run's configuration.
        runtime: Seeds the heads.

    Source:
        RUC (Park et al., 2021), Section 3.2.
    """
    runtime.seed_everything("ruc")
    width = _width(images, backbone, config)
    networks = [
        Classifier(copy.deepcopy(backbone), nn.Linear(width, int(config.num_clusters or 0)), width)
        for _ in range(2 if config.ruc.co_training else 1)
    ]
    model = networks[0] if len(networks) == 1 else ClassifierEnsemble(networks)
    return model.to(runtime.device).to(memory_format=torch.channels_last)


@torch.no_grad()
def _width(images: np.ndarray, backbone: nn.Module, config: Config) -> int:
    """Features that a backbone gives."""
    image = torch.from_numpy(np.array(images[:1])).to(next(backbone.parameters()).device)
    training = backbone.training
    x: Tensor = backbone.eval()(evaluation_view(image, config.data.image_size or image.shape[-1]))
    backbone.train(training)
    return x.size(1)
