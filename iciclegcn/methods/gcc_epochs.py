"""What an epoch of GCC tells of the cluster heads, and which epoch's weights are kept."""

from typing import Any

from torch import Tensor, nn

from iciclegcn.config import GCCConfig
from iciclegcn.methods.gcc_losses import HeadLosses


class EpochSummary:
    """Sums over the batches of an epoch; the same on every rank.

    Args:
        options: Weights of the terms.
    """

    def __init__(self, options: GCCConfig) -> None:
        self._options = options
        self._loss, self._images = 0.0, 0
        self._heads: Tensor | None = None
        self._sizes: Tensor | None = None

    def add(self, loss: float, heads: HeadLosses | None, num_images: int) -> None:
        """Count a batch."""
        self._loss += loss * num_images
        self._images += num_images
        if heads is None:
            return
        terms = heads.total(self._options).detach().double() * num_images
        self._heads = terms if self._heads is None else self._heads + terms
        self._sizes = heads.sizes if self._sizes is None else self._sizes + heads.sizes

    @property
    def loss(self) -> float:
        """Mean over the images."""
        return self._loss / self._images

    @property
    def best_head(self) -> int:
        """The head of the lowest loss; the first one without a graph."""
        return 0 if self._heads is None else int(self._heads.argmin())

    @property
    def empty_clusters(self) -> int:
        """Clusters of that head which no image was named for."""
        return 0 if self._sizes is None else int((self._sizes[self.best_head] == 0).sum())


class KeptEpoch:
    """The epoch whose weights are the result: the last one, or that of the lowest loss.

    No label has a part in it; the published code keeps the epoch of the highest accuracy.

    Args:
        keep: ``last`` or ``loss``.

    Attributes:
        empty_clusters: Of that epoch.
    """

    def __init__(self, keep: str) -> None:
        self._keep = keep
        self._loss = float("inf")
        self._weights: dict[str, Tensor] = {}
        self.empty_clusters = 0

    def offer(self, summary: EpochSummary, model: nn.Module) -> None:
        """Consider the present weights; only epochs with a graph can be compared."""
        if self._keep == "loss":
            if summary.loss >= self._loss:
                return
            self._weights = {
                name: value.detach().clone() for name, value in model.state_dict().items()
            }
        self._loss, self.empty_clusters = summary.loss, summary.empty_clusters

    def put_back(self, model: nn.Module) -> None:
        """Give the model the weights of the epoch kept."""
        if self._keep == "loss":
            model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs."""
        return {"loss": self._loss, "empty": self.empty_clusters, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from an earlier `state_dict`."""
        self._loss, self.empty_clusters = float(state["loss"]), int(state["empty"])
        self._weights = dict(state["weights"])
