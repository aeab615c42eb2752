"""`FusionGCNConv` in a plain PyTorch Geometric node model.

    python examples/fusion_layer.py

Two graphs over the same nodes (1 and 10 neighbours) give two streams; a linear branch stands in
for the auto-encoder. Every layer mixes the three before it propagates. The task is ordinary node
classification: 100 of scikit-learn's digits have a label, the rest is predicted.
"""

from itertools import pairwise

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from graphs import ScaleGraph, knn, scale_graphs
from iciclegcn.nn import FusionGCNConv


class TwoScaleNet(nn.Module):
    """Two streams, one a graph, fused with a graph-free branch."""

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        widths = list(pairwise((in_channels, hidden_channels, out_channels)))
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in widths)
        self.near = nn.ModuleList(FusionGCNConv(a, b, bias=True) for a, b in widths)
        self.wide = nn.ModuleList(FusionGCNConv(a, b, bias=True) for a, b in widths)

    def forward(self, x: Tensor, near: ScaleGraph, wide: ScaleGraph) -> Tensor:
        """Class scores [N, out_channels] of node features [N, in_channels]."""
        a = b = h = x
        for depth, linear in enumerate(self.linears):
            # A ScaleGraph's rows are targets; PyG names the source first.
            next_a = self.near[depth](a, [b], h, near.edge_index.flip(0), near.edge_weight)
            next_b = self.wide[depth](b, [a], h, wide.edge_index.flip(0), wide.edge_weight)
            a, b, h = next_a, next_b, linear(h)
            if depth + 1 < len(self.linears):
                a, b, h = a.relu(), b.relu(), h.relu()
        return (a + b) / 2


def main() -> None:
    """Train on 100 labels and print the accuracy on the other nodes."""
    torch.manual_seed(0)
    pixels, classes = load_digits(return_X_y=True)
    x, y = torch.from_numpy(pixels).float() / 16, torch.from_numpy(classes)
    near, wide = scale_graphs(knn(x, 10), (1, 10))
    known = torch.zeros(len(y), dtype=torch.bool)
    known[torch.randperm(len(y))[:100]] = True

    model = TwoScaleNet(x.size(1), 64, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    for _ in range(100):
        loss = F.cross_entropy(model(x, near, wide)[known], y[known])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        predicted = model(x, near, wide).argmax(dim=1)
    accuracy = (predicted == y)[~known].float().mean()
    print(f"accuracy on {int((~known).sum())} unlabelled nodes: {accuracy:.3f}")


if __name__ == "__main__":
    main()
