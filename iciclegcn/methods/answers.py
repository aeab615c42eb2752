"""What a classifier says of every image in two numbers: the cluster, and how sure it is."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.methods.classifiers import AnyClassifier
from iciclegcn.methods.embedding import embed
from iciclegcn.monitor import NullMonitor, StageMonitor
from iciclegcn.nn.classifier import joint_logits
from iciclegcn.nn.image_network import ImageNetwork
from iciclegcn.runtime import Runtime


class Answers(NamedTuple):
    """Answers of a classifier to every image, without augmentation.

    Attributes:
        labels: Clusters of each of the M networks, then those of all together: int64 [N, M + 1].
        confidences: Probabilities of these clusters, float32 [N, M + 1].
    """

    labels: Tensor
    confidences: Tensor


def answers(images: np.ndarray, model: AnyClassifier, config: Config, runtime: Runtime) -> Answers:
    """Ask a classifier about every image; probabilities [N, K] are never held.

    Args:
        images: uint8 [N, C, S, S].
        model: The classifier, left in evaluation mode.
        config: The run's configuration.
        runtime: Device, precision and ranks; every rank calls this.

    Returns:
        The answers, on the CPU of every rank.
    """
    rows = runtime.ranks.broadcast(embed(images, _Answering(model), config, runtime, NullMonitor()))
    both = torch.from_numpy(rows).view(len(images), 2, -1)
    return Answers(both[:, 0].long(), both[:, 1].contiguous())


def warn_of_lost_clusters(before: Tensor, after: Tensor, monitor: StageMonitor) -> None:
    """Tell of clusters that had images before a training and have none after it.

    Args:
        before: Clusters of every image, int64 [N].
        after: Those after the training [N].
        monitor: Warned.
    """
    most = int(before.max()) + 1
    had, has = (torch.bincount(labels, minlength=most)[:most] > 0 for labels in (before, after))
    lost = (had & ~has).nonzero()[:, 0].tolist()
    if lost:
        named = ", ".join(map(str, lost[:10])) + (", ..." if len(lost) > 10 else "")
        monitor.warn(f"the training lost {len(lost)} of the clusters it began with: {named}")


class _Answering(ImageNetwork):
    """Labels [N, M + 1] and confidences [N, M + 1] side by side."""

    def __init__(self, model: AnyClassifier) -> None:
        super().__init__()
        self.model = model
        self.num_features = 2 * (len(model.members()) + 1)

    def forward(self, views: Tensor) -> Tensor:
        each = self.model.logits_of_each(self.model.features(views))
        together = joint_logits(torch.stack(each, dim=1))
        logits = torch.stack([*each, together], dim=1)  # [N, M + 1, K]
        confidences, labels = logits.softmax(dim=2).max(dim=2)
        # Whole numbers up to 2^24 are exact in float32.
        return torch.cat([labels.float(), confidences], dim=1)
