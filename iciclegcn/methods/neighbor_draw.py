"""One random neighbour of every node, drawn anew in each iteration."""

import torch
from torch import Tensor


class NeighborDraw:
    """Draws a neighbour of every node, each with the same chance.

    Args:
        edge_index: Rows and columns of the graph [2, E], sorted by row; self-loops are ignored.
        num_nodes: Number of nodes N.
    """

    def __init__(self, edge_index: Tensor, num_nodes: int) -> None:
        row, col = edge_index[:, edge_index[0] != edge_index[1]]
        self._degree = torch.bincount(row, minlength=num_nodes)
        self._start = self._degree.cumsum(0) - self._degree
        self._col = col
        self._alone = self._degree == 0
        self._nodes = torch.arange(num_nodes, device=edge_index.device)

    def __call__(self, generator: torch.Generator) -> Tensor:
        """Return a neighbour of every node [N]; a node without any gets itself."""
        if not len(self._col):
            return self._nodes
        chance = torch.rand(
            len(self._nodes), generator=generator, device=self._nodes.device, dtype=torch.float64
        )
        offset = (chance * self._degree).long()
        position = (self._start + offset).clamp_max(len(self._col) - 1)
        return torch.where(self._alone, self._nodes, self._col[position])
