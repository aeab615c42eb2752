"""Robust learning on a finished clustering."""

from dataclasses import dataclass

from iciclegcn.config.checks import one_of, require


@dataclass(frozen=True)
class RUCConfig:
    """RUC: two networks retrained on what is trusted of a clustering (Park et al., 2021).

    Attributes:
        epochs: Passes over the images.
        batch_size: Clean images a step, and as many unclean ones; the smaller set is repeated until
            all of the larger one were seen.
        learning_rate: SGD's, with Nesterov momentum.
        momentum: SGD's.
        weight_decay: SGD's L2 penalty.
        sampling: Which images are clean: ``confidence``, ``metric`` (their neighbours agree) or
            ``hybrid`` (both).
        confidence_threshold: Least confidence of a clean image.
        num_neighbors: Nearest images that vote in ``metric`` and ``hybrid``, itself counted.
        least_clean: Share of every cluster's images, its most confident ones, that are clean
            whatever the sampling says, so that no cluster is left without any; 0: the paper's.
        co_training: Two networks that teach each other; false: one that teaches itself.
        co_refinement: Mix clean labels with the peer's answers and guess unclean ones with both
            networks; false: labels as they are, and each network's own guesses.
        mixmatch: Mix images and targets across the batch; false: train on them as they are.
        label_smoothing: Share of a pseudo-label that is spread over the other clusters on the
            strong view of clean images; null: leave that term out.
        co_refurbishing: Let unclean images join the clean ones once the networks are sure.
        refurbish_threshold: Confidence of the surer network from which they do.
        refurbish_growth: What is added to that threshold every ``refurbish_interval`` epochs.
        refurbish_interval: Epochs.
        sharpening: Temperature of refined targets.
        mix_alpha: Both parameters of the Beta distribution of the mixing weights.
        unlabelled_weight: Factor lambda_u of the unclean images' squared error.
        ramp_epochs: Epochs until that factor is reached.
        ramp_floor: Least share of it, from the start.
        operations: Random operations of a strong view.
        cutout: Side of the square a strong view loses, as a share of the image's; 0: none.
        weak_crop: Area that a weak view keeps of the image, lower and upper bound; the strong view
            is cropped alike. The lower one is what a shift by 4 of 32 pixels leaves.
    """

    epochs: int = 200
    batch_size: int = 250
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    sampling: str = "hybrid"
    confidence_threshold: float = 0.99
    num_neighbors: int = 100
    least_clean: float = 0.0
    co_training: bool = True
    co_refinement: bool = True
    mixmatch: bool = True
    label_smoothing: float | None = 0.5
    co_refurbishing: bool = True
    refurbish_threshold: float = 0.99
    refurbish_growth: float = 0.0
    refurbish_interval: int = 40
    sharpening: float = 0.5
    mix_alpha: float = 4.0
    unlabelled_weight: float = 25.0
    ramp_epochs: int = 200
    ramp_floor: float = 0.1
    operations: int = 2
    cutout: float = 0.5
    weak_crop: tuple[float, float] = (0.75, 1.0)

    def __post_init__(self) -> None:
        for name in ("epochs", "num_neighbors", "refurbish_interval", "ramp_epochs"):
            value = getattr(self, name)
            require(value >= 1, f"ruc.{name}", "at least 1", value)
        require(self.batch_size >= 2, "ruc.batch_size", "at least 2", self.batch_size)
        for name in ("learning_rate", "sharpening", "mix_alpha"):
            value = getattr(self, name)
            require(value > 0, f"ruc.{name}", "positive", value)
        for name in (
            "momentum",
            "weight_decay",
            "refurbish_growth",
            "unlabelled_weight",
            "operations",
        ):
            value = getattr(self, name)
            require(value >= 0, f"ruc.{name}", "0 or more", value)
        for name in ("confidence_threshold", "least_clean", "refurbish_threshold", "ramp_floor"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"ruc.{name}", "in [0, 1]", value)
        smoothing = self.label_smoothing
        require(
            smoothing is None or 0 <= smoothing < 1,
            "ruc.label_smoothing",
            "in [0, 1) or null",
            smoothing,
        )
        require(0 <= self.cutout < 1, "ruc.cutout", "in [0, 1)", self.cutout)
        low, high = self.weak_crop
        require(0 < low <= high <= 1, "ruc.weak_crop", "0 < low <= high <= 1", (low, high))
        one_of("ruc.sampling", self.sampling, ("confidence", "metric", "hybrid"))
