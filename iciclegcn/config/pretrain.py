"""Stage 1."""

from dataclasses import dataclass

from iciclegcn.config.checks import one_of, require


@dataclass(frozen=True)
class PretrainConfig:
    """Stage 1: contrastive pretraining (Eq. 1-7, Algorithm 1 steps 1-6).

    Attributes:
        epochs: Passes over the images.
        batch_size: Images a step; each gives two views.
        learning_rate: Adam's.
        weight_decay: Adam's L2 penalty.
        schedule: ``constant`` or ``cosine`` (to zero, with one epoch of warm-up).
        projection_channels: Width of the instance projection.
        instance_temperature: tau_I of Eq. 2.
        cluster_temperature: tau_C of Eq. 4.
        mask_self: Leave the pair of a view with itself out of Eq. 2's denominator.
        cluster_loss_views: ``both``, or ``view_a_twice`` to reproduce the published defect.
        reconstruction: ``squared_norm`` (Eq. 6, per image) or ``entry_mean``.
        reconstruction_views: ``both`` or ``view_a``.
        instance_weight: Factor of Eq. 3 in Eq. 7.
        cluster_weight: Factor of Eq. 5 in Eq. 7.
        reconstruction_weight: Factor of Eq. 6 in Eq. 7.
    """

    epochs: int = 1000
    batch_size: int = 128
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: str = "constant"
    projection_channels: int = 128
    instance_temperature: float = 0.5
    cluster_temperature: float = 1.0
    mask_self: bool = True
    cluster_loss_views: str = "both"
    reconstruction: str = "squared_norm"
    reconstruction_views: str = "both"
    instance_weight: float = 1.0
    cluster_weight: float = 1.0
    reconstruction_weight: float = 1.0

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "pretrain.epochs", "at least 1", self.epochs)
        require(self.batch_size >= 2, "pretrain.batch_size", "at least 2", self.batch_size)
        require(
            self.projection_channels >= 1,
            "pretrain.projection_channels",
            "at least 1",
            self.projection_channels,
        )
        for name in ("learning_rate", "instance_temperature", "cluster_temperature"):
            value = getattr(self, name)
            require(value > 0, f"pretrain.{name}", "positive", value)
        for name in (
            "weight_decay",
            "instance_weight",
            "cluster_weight",
            "reconstruction_weight",
        ):
            value = getattr(self, name)
            require(value >= 0, f"pretrain.{name}", "0 or more", value)
        one_of("pretrain.schedule", self.schedule, ("constant", "cosine"))
        one_of("pretrain.cluster_loss_views", self.cluster_loss_views, ("both", "view_a_twice"))
        one_of("pretrain.reconstruction", self.reconstruction, ("squared_norm", "entry_mean"))
        one_of("pretrain.reconstruction_views", self.reconstruction_views, ("both", "view_a"))
