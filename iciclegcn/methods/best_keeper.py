"""When to stop without labels: keep the weights whose clusters follow the graph best."""

from typing import Any

from torch import Tensor, nn

from graphs.modularity import modularity


class BestKeeper:
    """Remembers the weights of the highest modularity among those it was offered.

    Args:
        edge_index: The graph [2, E] that judges, on the CPU.
    """

    def __init__(self, edge_index: Tensor) -> None:
        self._edge_index = edge_index
        self.modularity = float("-inf")
        self._weights: dict[str, Tensor] = {}

    def offer(self, model: nn.Module, probabilities: Tensor) -> None:
        """Consider the present weights, whose soft assignments are ``probabilities`` [N, K]."""
        found = modularity(self._edge_index, probabilities.detach().argmax(dim=1).cpu())
        if found > self.modularity:
            self.modularity = found
            self._weights = {
                name: value.detach().clone() for name, value in model.state_dict().items()
            }

    def put_back(self, model: nn.Module) -> None:
        """Give the model the best weights seen."""
        model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"modularity": self.modularity, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from an earlier `state_dict`."""
        self.modularity = float(state["modularity"])
        self._weights = dict(state["weights"])
