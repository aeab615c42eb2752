"""Self-labelling of a finished classifier."""

from dataclasses import dataclass

from iciclegcn.config.checks import require


@dataclass(frozen=True)
class SelfLabelConfig:
    """Self-labelling: confident answers teach strong views (as in SCAN and GCC).

    Attributes:
        epochs: Passes over the images.
        batch_size: Images a step.
        learning_rate: Adam's.
        weight_decay: Adam's L2 penalty.
        threshold: Images whose weak view is answered with more confidence than this teach.
        balanced: Weigh classes by their inverse frequency among those that teach.
        operations: Random operations of a strong view.
        cutout: Side of the square a strong view loses, as a share of the image's; 0: none.
        weak_crop: Area that a weak view keeps of the image, lower and upper bound; the strong views
            are cropped alike. The lower one is what a shift by 4 of 32 pixels leaves.
        average_decay: Decay per step of a moving average of the weights, which is then the result;
            null: the weights themselves.
    """

    epochs: int = 200
    batch_size: int = 1000
    learning_rate: float = 5e-5
    weight_decay: float = 1e-4
    threshold: float = 0.98
    balanced: bool = True
    operations: int = 4
    cutout: float = 0.5
    weak_crop: tuple[float, float] = (0.75, 1.0)
    average_decay: float | None = None

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "self_label.epochs", "at least 1", self.epochs)
        require(self.batch_size >= 2, "self_label.batch_size", "at least 2", self.batch_size)
        rate = self.learning_rate
        require(rate > 0, "self_label.learning_rate", "positive", rate)
        for name in ("weight_decay", "operations"):
            value = getattr(self, name)
            require(value >= 0, f"self_label.{name}", "0 or more", value)
        for name in ("threshold", "cutout"):
            value = getattr(self, name)
            require(0 <= value < 1, f"self_label.{name}", "in [0, 1)", value)
        low, high = self.weak_crop
        require(0 < low <= high <= 1, "self_label.weak_crop", "0 < low <= high <= 1", (low, high))
        decay = self.average_decay
        require(
            decay is None or 0 <= decay < 1, "self_label.average_decay", "in [0, 1) or null", decay
        )
