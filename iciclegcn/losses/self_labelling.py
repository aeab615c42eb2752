"""Self-labelling: what a network is sure of on a weak view, it learns on a strong one."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Taught(NamedTuple):
    """What a batch of weak views teaches.

    Attributes:
        labels: The most probable cluster of every image, int64 [N].
        confident: Which images teach, bool [N].
    """

    labels: Tensor
    confident: Tensor


def confident_labels(weak_logits: Tensor, threshold: float) -> Taught:
    """Take a network's own answers where it is sure of them.

    Args:
        weak_logits: Answers to weak views [N, K].
        threshold: Images of more confidence than this teach.

    Returns:
        Labels and mask; without a gradient.

    Raises:
        ValueError: If the logits are not [N, K].

    Source:
        SCAN (Van Gansbeke et al., 2020), Section 2.3; GCC (Zhong et al., 2021) does the same.
    """
    if weak_logits.dim() != 2:
        raise ValueError(f"'weak_logits' must be [N, K] (got {tuple(weak_logits.shape)})")
    confidences, labels = weak_logits.detach().float().softmax(dim=1).max(dim=1)
    return Taught(labels, confidences > threshold)


def teaching_weights(taught: Taught, num_clusters: int, *, balanced: bool = True) -> Tensor:
    """The weight of every image in the self-labelling loss.

    Args:
        taught: Labels and mask of a whole batch of N images.
        num_clusters: K.
        balanced: Every cluster that teaches counts alike, whatever its number of images.

    Returns:
        float32 [N], 0 where an image does not teach; sums to 1, or to 0 where none does.

    Source:
        SCAN (Van Gansbeke et al., 2020), Section 2.3: weights of the inverse class frequency.
    """
    weights = taught.confident.float()
    if balanced:
        counts = torch.bincount(taught.labels[taught.confident], minlength=num_clusters)
        weights = weights / counts.clamp(min=1)[taught.labels]
    return weights / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def self_label_loss(strong_logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of strong views to the labels of the weak ones.

    The losses of a batch's parts sum to that of the batch.

    Args:
        strong_logits: Answers to strong views [N, K].
        labels: int64 [N].
        weights: Those of `teaching_weights` [N].

    Returns:
        The weighted sum, a scalar in fp32; 0, with a gradient of 0, where no image teaches.

    Raises:
        ValueError: If the shapes do not fit.

    Source:
        SCAN (Van Gansbeke et al., 2020), Section 2.3.
    """
    if strong_logits.dim() != 2 or not labels.shape == weights.shape == strong_logits.shape[:1]:
        raise ValueError(
            "'strong_logits' must be [N, K] and 'labels' and 'weights' [N] (got "
            f"{tuple(strong_logits.shape)}, {tuple(labels.shape)} and {tuple(weights.shape)})"
        )
    losses = F.cross_entropy(strong_logits.float(), labels, reduction="none")
    return (weights * losses).sum()
