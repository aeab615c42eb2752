"""What GCC trains."""

import torch
from torch import Tensor, nn

from iciclegcn.config import Config
from iciclegcn.nn.backbone import build_backbone
from iciclegcn.nn.classifier import Classifier
from iciclegcn.nn.heads import instance_head
from iciclegcn.nn.image_network import ImageNetwork


class GCCModel(ImageNetwork):
    """Backbone, representation head and cluster heads under one roof.

    Args:
        config: The run's configuration; ``num_clusters`` must be resolved.
        in_channels: Channels of the images, 1 or 3.

    Attributes:
        backbone: Images [N, C, S, S] to features x [N, D].
        projection: Features to embeddings, not yet normalised.
        heads: Linear layers, features to logits [N, K] each.

    Raises:
        ValueError: If the number of clusters is not resolved.

    Source:
        GCC (Zhong et al., 2021), Section 3.2; several heads as in SCAN (Van Gansbeke et al., 2020).
    """

    _best_head: Tensor

    def __init__(self, config: Config, in_channels: int) -> None:
        super().__init__()
        if config.num_clusters is None:
            raise ValueError("'num_clusters' must be resolved before a model is built (got None)")
        self.backbone, self.num_features = build_backbone(config.backbone, in_channels)
        self.projection = instance_head(self.num_features, config.gcc.projection_channels)
        self.heads = nn.ModuleList(
            nn.Linear(self.num_features, config.num_clusters) for _ in range(config.gcc.num_heads)
        )
        # A buffer: whoever has the weights knows which head names the clusters.
        self.register_buffer("_best_head", torch.zeros((), dtype=torch.int64))

    @property
    def best_head(self) -> int:
        """Number of the head that names the clusters."""
        return int(self._best_head)

    def choose_head(self, number: int) -> None:
        """Let another head name the clusters."""
        self._best_head.fill_(number)

    def forward(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to features x [N, D]."""
        x: Tensor = self.backbone(views)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Features x [N, D] to the logits of every head [N, H, K], in float32."""
        return torch.stack([head(x) for head in self.heads], dim=1).float()

    def classifier(self) -> Classifier:
        """The backbone with the best head; it shares the weights of this model."""
        return Classifier(self.backbone, self.heads[self.best_head], self.num_features)


def build_gcc_model(config: Config, in_channels: int) -> GCCModel:
    """A model with random weights, or for the weights of a checkpoint.

    Args:
        config: The run's configuration; ``num_clusters`` must be resolved.
        in_channels: Channels of the images, 1 or 3.
    """
    return GCCModel(config, in_channels)
