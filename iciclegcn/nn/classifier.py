"""Networks that name a cluster for an image."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """A backbone with a K-way head.

    Args:
        backbone: Images [N, C, S, S] to features x [N, D].
        head: Features x to logits [N, K].
        num_features: D.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, num_features: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.num_features = num_features

    def features(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to features x [N, D]."""
        x: Tensor = self.backbone(views)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Features x [N, D] to logits [N, K], in float32 whatever the precision of products."""
        found: Tensor = self.head(x)
        return found.float()

    def members(self) -> list["Classifier"]:
        """Itself: the networks that answer together."""
        return [self]

    def logits_of_each(self, x: Tensor) -> list[Tensor]:
        """Features x [N, D] to the logits [N, K] of every member."""
        return [self.logits(x)]

    def forward(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to logits [N, K]."""
        return self.logits(self.features(views))


def joint_logits(each: Tensor) -> Tensor:
    """What several networks answer together.

    Args:
        each: Logits of M networks [N, M, K].

    Returns:
        The sum of each image's M logits over the root of M [N, K]; those of one network unchanged.

    Source:
        RUC (Park et al., 2021): the answer of two networks is the sum of their logits.
    """
    # The paper's sum names the same clusters, but M networks that agree would be M times as sure as
    # each. Over the root of M, errors that the networks make independently are as large in the
    # answer as in one network's logits.
    return each.sum(dim=1) / math.sqrt(each.size(1))


class ClassifierEnsemble(nn.Module):
    """Several classifiers that answer together, by `joint_logits`.

    Args:
        networks: One or more, of one K.
    """

    def __init__(self, networks: Sequence[Classifier]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.num_features = sum(network.num_features for network in networks)

    def features(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to the networks' features side by side, x [N, sum of D]."""
        return torch.cat([network.features(views) for network in self.members()], dim=1)

    def logits(self, x: Tensor) -> Tensor:
        """Features [N, sum of D] to the networks' joint logits [N, K]."""
        return joint_logits(torch.stack(self.logits_of_each(x), dim=1))

    def logits_of_each(self, x: Tensor) -> list[Tensor]:
        """Features [N, sum of D] to every network's logits [N, K]."""
        parts = torch.split(x, [network.num_features for network in self.members()], dim=1)
        return [network.logits(x) for network, x in zip(self.members(), parts, strict=True)]

    def forward(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to logits [N, K]."""
        return self.logits(self.features(views))

    def members(self) -> list[Classifier]:
        """The networks that answer together."""
        return [network for network in self.networks if isinstance(network, Classifier)]


class EncoderHead(nn.Module):
    """The encoder of an auto-encoder as a head: features to the logits of its softmax code.

    Args:
        widths: Of the encoder's layers: D, the hidden ones and K.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 9: the code is the softmax of these logits.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Features x [N, D] to logits [N, K]."""
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        logits: Tensor = self.layers[-1](x)
        return logits
