"""`FusionGCNConv` in a plain PyTorch Geometric model that clusters nodes without labels.

    python examples/fusion_layer.py [SEEDS]

The same 400 people are joined by two kinds of edges: few that mostly stay inside a group, and many
that do so less. A stream for each kind and a branch without a graph are mixed before every
propagation. The loss is a modularity over both kinds, the same for every model; what differs is
what the model sees. Groups, features and edges are drawn anew for each seed, 10 of them unless told
otherwise, and the truth is used at the end alone.
"""

import sys
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor, nn
from torch_geometric.nn import GCNConv
from torch_geometric.utils import stochastic_blockmodel_graph

from iciclegcn.nn import FusionGCNConv

EPOCHS, GROUPS, GROUP_SIZE = 60, 4, 100
WIDTHS = (16, 32, GROUPS)
FIRST_SEED = 100  # the settings were found with those below


class People(NamedTuple):
    """Features [N, 16], true groups [N], and edges [2, E] of both kinds."""

    x: Tensor
    y: Tensor
    few: Tensor
    many: Tensor


class PlainGCN(nn.Module):
    """Sees one set of edges."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GCNConv(a, b, cached=True) for a, b in pairwise(WIDTHS))

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Soft groups [N, GROUPS]."""
        for depth, layer in enumerate(self.layers):
            x = layer(x.relu() if depth else x, edge_index)
        groups: Tensor = x.softmax(dim=1)
        return groups


class FusionGroups(nn.Module):
    """Sees both sets of edges, in a stream each; sigma = 1 and gamma = 0 keep them apart."""

    def __init__(self, sigma: float, gamma: float) -> None:
        super().__init__()
        widths = list(pairwise(WIDTHS))
        conv = partial(FusionGCNConv, sigma=sigma, gamma=gamma, cached=True)
        self.few = nn.ModuleList(conv(a, b) for a, b in widths)
        self.many = nn.ModuleList(conv(a, b) for a, b in widths)
        self.branch = nn.ModuleList(nn.Linear(a, b) for a, b in widths)

    def forward(self, x: Tensor, few: Tensor, many: Tensor) -> Tensor:
        """Soft groups [N, GROUPS], from the sum of both streams."""
        a = b = h = x
        for depth, linear in enumerate(self.branch):
            if depth:
                a, b, h = a.relu(), b.relu(), h.relu()
            next_a = self.few[depth](a, few, peers=b, h=h)
            next_b = self.many[depth](b, many, peers=a, h=h)
            a, b, h = next_a, next_b, linear(h)
        groups: Tensor = (a + b).softmax(dim=1)
        return groups


def draw_people(seed: int) -> People:
    """A planted partition with two kinds of edges and features that say little."""
    torch.manual_seed(seed)
    sizes = [GROUP_SIZE] * GROUPS

    def edges(inside: float, across: float) -> Tensor:
        chances = torch.full((GROUPS, GROUPS), across).fill_diagonal_(inside)
        drawn: Tensor = stochastic_blockmodel_graph(sizes, chances)
        return drawn

    y = torch.arange(GROUPS).repeat_interleave(GROUP_SIZE)
    x = 0.4 * torch.randn(GROUPS, WIDTHS[0])[y] + torch.randn(len(y), WIDTHS[0])
    return People(x, y, few=edges(0.025, 0.003), many=edges(0.1, 0.03))


def modularity(groups: Tensor, edge_index: Tensor) -> Tensor:
    """Edges inside soft groups [N, GROUPS], above what their degrees alone would give."""
    source, target = edge_index
    share = torch.bincount(source, minlength=len(groups)) / source.numel()
    inside = (groups.index_select(0, source) * groups.index_select(0, target)).sum()
    above: Tensor = inside / source.numel() - (share @ groups).square().sum()
    return above


def agreement(model: nn.Module, seen: list[Tensor], people: People) -> float:
    """Train without labels; normalised mutual information with the truth."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(EPOCHS):
        groups = model(people.x, *seen)
        collapse = groups.mean(dim=0).square().sum()  # 1 / GROUPS where all are equally large
        loss = collapse - modularity(groups, people.few) - modularity(groups, people.many)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = model(people.x, *seen).argmax(dim=1)
    return float(normalized_mutual_info_score(people.y, found))


def main() -> None:
    """Compare five models on the same draws."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    scores: dict[str, list[float]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        people = draw_people(seed)
        both = torch.cat([people.few, people.many], dim=1)
        models: dict[str, tuple[nn.Module, list[Tensor]]] = {
            "GCN, few edges": (PlainGCN(), [people.few]),
            "GCN, many edges": (PlainGCN(), [people.many]),
            "GCN, both in one set": (PlainGCN(), [both]),
            "two streams kept apart": (FusionGroups(1.0, 0.0), [people.few, people.many]),
            "two streams fused": (FusionGroups(0.4, 0.2), [people.few, people.many]),
        }
        for name, (model, seen) in models.items():
            scores.setdefault(name, []).append(agreement(model, seen, people))
    values = torch.tensor(list(scores.values()))
    print(f"NMI with the planted groups, {seeds} seeds, mean and standard deviation:")
    for name, row in zip(scores, values, strict=True):
        print(f"  {name:<24}{row.mean():.3f} ± {row.std():.3f}")
    for name, row in zip(scores, values[:-1], strict=False):
        wins = int((values[-1] > row).sum())
        print(f"The fused streams are better than {name} on {wins} of {seeds} seeds.")


if __name__ == "__main__":
    main()
