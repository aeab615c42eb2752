"""What RUC believes of the images between two epochs, and how that grows."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from iciclegcn.config import RUCConfig
from iciclegcn.methods.answers import Answers


class Trust(NamedTuple):
    """What is believed of N images; tensors on the CPU.

    Attributes:
        clean: Which labels are believed, bool [N].
        labels: int64 [N]; where an image is not clean, the clustering's.
        reliance: How much each of the M networks is relied on for an image, in [0, 1]: its
            confidence after the last epoch, scaled; float32 [N, M].
    """

    clean: Tensor
    labels: Tensor
    reliance: Tensor

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return dict(self._asdict())


def updated(trust: Trust, found: Answers, options: RUCConfig, epoch: int) -> Trust:
    """Learn from the networks' answers after an epoch.

    Args:
        trust: What was believed during it.
        found: Answers of the M networks to all images.
        options: Of RUC.
        epoch: Epochs done.

    Returns:
        New reliance and, with co-refurbishing, unclean images that one network is sure of among
        the clean ones, with its label.

    Source:
        RUC (Park et al., 2021), Section 3.2.
    """
    num_networks = trust.reliance.size(1)
    confidences = found.confidences[:, :num_networks]
    clean, labels = trust.clean, trust.labels
    if options.co_refurbishing:
        surest, network = confidences.max(dim=1)
        threshold = refurbish_threshold(options, epoch)
        joining = ~clean & (surest >= threshold)
        answered = found.labels.gather(1, network[:, None])[:, 0]
        clean, labels = clean | joining, torch.where(joining, answered, labels)
    return Trust(clean, labels, scaled(confidences))


def refurbish_threshold(options: RUCConfig, epoch: int) -> float:
    """The confidence from which unclean images join the clean ones after ``epoch`` epochs."""
    steps = epoch // options.refurbish_interval
    return options.refurbish_threshold + options.refurbish_growth * steps


def scaled(confidences: Tensor) -> Tensor:
    """Confidences [N, M] of each network from 0 for its least sure image to 1 for its surest."""
    low, high = confidences.amin(dim=0), confidences.amax(dim=0)
    # Equally sure of everything: no image is known better than another.
    return torch.where(high > low, (confidences - low) / (high - low), 0.0)
