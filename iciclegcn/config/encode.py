"""The auto-encoder on features that nothing here trains."""

from dataclasses import dataclass

from iciclegcn.config.checks import one_of, require


@dataclass(frozen=True)
class EncodeConfig:
    """The auto-encoder on features that are given, or a frozen backbone's.

    The paper has no such stage: it is the cluster loss and the reconstruction of its stage 1 (Eq.
    4-6), with a random neighbour of a row in the place of the second view of an image.

    Attributes:
        epochs: Passes over the rows.
        batch_size: Rows a step; each comes with one of its neighbours.
        learning_rate: Adam's.
        weight_decay: Adam's L2 penalty.
        schedule: ``constant`` or ``cosine`` (to zero).
        neighbors: From how many of the nearest rows the second view is drawn; null: from all
            that the graph has, the largest ``graph.k``.
        cluster_temperature: tau_C of Eq. 4.
        cluster_weight: Factor of Eq. 5.
        reconstruction: ``squared_norm`` (Eq. 6, per row) or ``entry_mean``.
        reconstruction_weight: Factor of Eq. 6.
    """

    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "cosine"
    neighbors: int | None = None
    cluster_temperature: float = 1.0
    cluster_weight: float = 1.0
    reconstruction: str = "entry_mean"
    reconstruction_weight: float = 1.0

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "encode.epochs", "at least 1", self.epochs)
        require(self.batch_size >= 2, "encode.batch_size", "at least 2", self.batch_size)
        drawn = self.neighbors
        require(drawn is None or drawn >= 1, "encode.neighbors", "at least 1", drawn)
        for name in ("learning_rate", "cluster_temperature"):
            value = getattr(self, name)
            require(value > 0, f"encode.{name}", "positive", value)
        for name in ("weight_decay", "cluster_weight", "reconstruction_weight"):
            value = getattr(self, name)
            require(value >= 0, f"encode.{name}", "0 or more", value)
        one_of("encode.schedule", self.schedule, ("constant", "cosine"))
        one_of("encode.reconstruction", self.reconstruction, ("squared_norm", "entry_mean"))
