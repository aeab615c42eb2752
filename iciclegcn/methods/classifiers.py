"""Classifiers as a run folder describes them, built, and run over all images."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from iciclegcn.config import Config
from iciclegcn.methods.embedding import embed
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.backbone import build_backbone
from iciclegcn.nn.classifier import Classifier, ClassifierEnsemble, EncoderHead, joint_logits
from iciclegcn.nn.image_network import ImageNetwork
from iciclegcn.runtime import Runtime

AnyClassifier = Classifier | ClassifierEnsemble


class ClassifierShape(NamedTuple):
    """What the weights alone do not tell of a classifier.

    Attributes:
        in_channels: Channels of the images, 1 or 3.
        head: ``linear``, or ``encoder`` (that of the auto-encoder).
        num_networks: 1, or more that answer together.
    """

    in_channels: int
    head: str = "linear"
    num_networks: int = 1


class Classified(NamedTuple):
    """What a classifier says of every image; with several ranks only rank 0 has it.

    Attributes:
        x: Features, float32 [N, D].
        logits: float32 [N, M, K], of each of the M networks.
    """

    x: np.ndarray
    logits: np.ndarray

    @property
    def answer(self) -> np.ndarray:
        """Joint logits of the networks, float32 [N, K]."""
        return joint_logits(torch.from_numpy(self.logits)).numpy()


def build_classifier(config: Config, shape: ClassifierShape) -> AnyClassifier:
    """A classifier with random weights.

    Args:
        config: The run's configuration; ``num_clusters`` must be resolved.
        shape: Which head, how many networks.
    """
    if config.num_clusters is None:
        raise ValueError("'num_clusters' must be resolved before a model is built (got None)")
    networks = [_one(config, config.num_clusters, shape) for _ in range(shape.num_networks)]
    return networks[0] if shape.num_networks == 1 else ClassifierEnsemble(networks)


def classify(
    images: np.ndarray,
    model: AnyClassifier,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
) -> Classified:
    """Features and logits of every image, without augmentation.

    Args:
        images: uint8 [N, C, S, S].
        model: The classifier.
        config: The run's configuration.
        runtime: Device, precision and ranks; every rank calls this.
        monitor: Told about the progress.
    """
    num_clusters = int(config.num_clusters or 0)
    found = embed(images, _Everything(model, num_clusters), config, runtime, monitor)
    x, logits = found[:, : model.num_features], found[:, model.num_features :]
    # The networks are counted: other ranks than 0 have no rows to tell by.
    networks = logits.shape[1] // num_clusters
    return Classified(x, logits.reshape(len(found), networks, num_clusters))


class _Everything(ImageNetwork):
    """Features and every network's logits side by side: one pass over the images gives both."""

    def __init__(self, model: AnyClassifier, num_clusters: int) -> None:
        super().__init__()
        self.model = model
        self.num_features = model.num_features + len(model.members()) * num_clusters

    def forward(self, views: Tensor) -> Tensor:
        x = self.model.features(views)
        return torch.cat([x.float(), *self.model.logits_of_each(x)], dim=1)


def _one(config: Config, num_clusters: int, shape: ClassifierShape) -> Classifier:
    backbone, channels = build_backbone(config.backbone, shape.in_channels)
    if shape.head == "encoder":
        widths = (channels, *config.autoencoder.hidden_channels, num_clusters)
        return Classifier(backbone, EncoderHead(widths), channels)
    return Classifier(backbone, nn.Linear(channels, num_clusters), channels)
