"""What stage 1 trains, and the loss of one batch."""

from typing import NamedTuple

from torch import Tensor, nn

from iciclegcn.config import Config, PretrainConfig
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.losses.contrastive import cluster_loss, instance_loss, instance_loss_of_share
from iciclegcn.losses.self_training import reconstruction_loss
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.backbone import build_backbone
from iciclegcn.nn.heads import instance_head
from iciclegcn.nn.image_network import ImageNetwork


class PretrainModel(ImageNetwork):
    """Backbone, instance projection (ISM) and auto-encoder (JC-SLIM) under one roof.

    Args:
        config: The run's configuration; ``num_clusters`` must be resolved.
        in_channels: Channels of the images, 1 or 3.

    Source:
        IcicleGCN (Xu et al., 2024), Sections 3.1-3.3.
    """

    def __init__(self, config: Config, in_channels: int) -> None:
        super().__init__()
        if config.num_clusters is None:
            raise ValueError("'num_clusters' must be resolved before a model is built (got None)")
        self.backbone, self.num_features = build_backbone(config.backbone, in_channels)
        self.instance_head = instance_head(self.num_features, config.pretrain.projection_channels)
        self.autoencoder = AutoEncoder(
            self.num_features, config.autoencoder.hidden_channels, config.num_clusters
        )

    def forward(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to features x [N, D]."""
        features: Tensor = self.backbone(views)
        return features


class PretrainLosses(NamedTuple):
    """The weighted sum of Eq. 7 and its unweighted terms, scalars."""

    loss: Tensor
    instance: Tensor
    cluster: Tensor
    reconstruction: Tensor


def pretrain_losses(
    model: PretrainModel,
    views: Tensor,
    config: PretrainConfig,
    ranks: Ranks | None = None,
    batch_size: int | None = None,
) -> PretrainLosses:
    """The loss of one batch of view pairs.

    Args:
        model: Backbone and heads.
        views: [2n, C, S, S], the first views of n images, then the second views.
        config: Temperatures, weights and variants.
        ranks: The processes that hold a share of the batch each; None: all of it is here.
        batch_size: Images of the batch on all ranks, N; None: n.

    Returns:
        Eq. 3, Eq. 5, Eq. 6 and their sum, Eq. 7. With several ranks the MEAN over the ranks is
        the loss of the whole batch, and so is the mean of the gradients.

    Source:
        IcicleGCN (Xu et al., 2024), Section 3.2-3.3.
    """
    ranks = ranks or Ranks()
    x = model(views)  # [2n, D]
    z_a, z_b = model.instance_head(x).chunk(2)
    x_hat, code = model.autoencoder(x)
    c_a, c_b = code.chunk(2)
    if config.cluster_loss_views == "view_a_twice":
        c_b = c_a  # The published code's defect: the second view never reaches the cluster loss.
    if config.reconstruction_views == "view_a":
        x, x_hat = x.chunk(2)[0], x_hat.chunk(2)[0]
    total = batch_size or len(z_a)
    instance = _instance_loss(z_a, z_b, config, ranks, total)
    c_a, c_b = (ranks.gather(c, total) for c in (c_a, c_b))
    cluster = cluster_loss(c_a, c_b, config.cluster_temperature)
    reconstruction = reconstruction_loss(x, x_hat, config.reconstruction)
    if ranks.size > 1:  # a mean over this rank's rows: shares may differ in length
        reconstruction = reconstruction * (ranks.size * len(z_a) / total)
    loss = (
        config.instance_weight * instance
        + config.cluster_weight * cluster
        + config.reconstruction_weight * reconstruction
    )  # Eq. 7; the paper's weights are 1
    return PretrainLosses(loss, instance, cluster, reconstruction)


def _instance_loss(
    z_a: Tensor, z_b: Tensor, config: PretrainConfig, ranks: Ranks, total: int
) -> Tensor:
    temperature, mask_self = config.instance_temperature, config.mask_self
    if ranks.size == 1:
        return instance_loss(z_a, z_b, temperature, mask_self=mask_self)
    all_a, all_b = ranks.gather(z_a, total), ranks.gather(z_b, total)
    first = ranks.share(total).start
    share = instance_loss_of_share(z_a, z_b, all_a, all_b, first, temperature, mask_self=mask_self)
    return share * ranks.size


class TrainingStep(nn.Module):
    """A step's losses as one ``forward``: what averages gradients needs to see all of it."""

    def __init__(self, model: PretrainModel, options: PretrainConfig, ranks: Ranks) -> None:
        super().__init__()
        self.model = model
        self._options, self._ranks = options, ranks

    def forward(self, views: Tensor, batch_size: int) -> PretrainLosses:
        return pretrain_losses(self.model, views, self._options, self._ranks, batch_size)
