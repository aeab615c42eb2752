"""Stage 2 written out plainly, as the published code does it: what `mgcn_epoch` compares with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphs import ScaleGraph, knn, scale_graphs
from iciclegcn.config import MGCNConfig
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.mgcn import MGCN

NUM_NODES, CHANNELS, HIDDEN, NUM_CLUSTERS, K_LIST = 13_000, 512, (500, 500, 2000), 10, (1, 10)
OPTIONS = MGCNConfig()
Epoch = Callable[[], float]


class Inputs:
    """The same features, graphs and start weights for every side, from a fixed seed."""

    def __init__(self, folder: Path) -> None:
        stored = np.load(folder / "inputs.npz")
        self.x = torch.from_numpy(stored["x"])
        self.graphs = [
            ScaleGraph(torch.from_numpy(stored[f"edges_{k}"]), torch.from_numpy(stored[f"w_{k}"]))
            for k in K_LIST
        ]
        torch.manual_seed(0)
        autoencoder = AutoEncoder(CHANNELS, HIDDEN, NUM_CLUSTERS)
        self.model = MGCN(autoencoder, 2, sigma=OPTIONS.sigma, gamma=OPTIONS.gamma)
        with torch.no_grad():
            code = self.model.autoencoder.encode(self.x)[-1]
            self.model.assignment.centers.copy_(code[:NUM_CLUSTERS])

    @staticmethod
    def write(folder: Path) -> None:
        generator = np.random.default_rng(0)
        means = generator.standard_normal((NUM_CLUSTERS, CHANNELS))
        x = (
            generator.standard_normal((NUM_NODES, CHANNELS))
            + 0.75 * means[generator.integers(0, NUM_CLUSTERS, NUM_NODES)]
        )
        x = x.astype(np.float32)
        graphs = scale_graphs(knn(x, max(K_LIST)), K_LIST)
        arrays: dict[str, Any] = {"x": x}
        for k, graph in zip(K_LIST, graphs, strict=True):
            arrays |= {f"edges_{k}": graph.edge_index.numpy(), f"w_{k}": graph.edge_weight.numpy()}
        np.savez(folder / "inputs.npz", **arrays)


class PlainMGCN(nn.Module):
    """The same network written out plainly."""

    def __init__(self, start: MGCN) -> None:
        super().__init__()
        self.autoencoder = start.autoencoder
        self.centers = start.assignment.centers
        self.weights = nn.ParameterList(
            nn.Parameter(layer.lin.weight.detach().T.contiguous())
            for u in range(2)
            for layer in start.gcn.stream_layers(u)
        )

    def forward(self, x: Tensor, adjacency: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        hidden = [x]
        for layer in self.autoencoder.encoder[:-1]:
            hidden.append(F.relu(layer(hidden[-1])))
        code = torch.softmax(self.autoencoder.encoder[-1](hidden[-1]), dim=1)
        hidden.append(code)
        h = code
        for layer in self.autoencoder.decoder[:-1]:
            h = F.relu(layer(h))
        x_hat = self.autoencoder.decoder[-1](h)
        sigma, gamma = OPTIONS.sigma, OPTIONS.gamma
        g_a, g_b = x, x
        depth = len(self.weights) // 2
        for i in range(depth):
            in_a, in_b = g_a, g_b
            if i > 0:
                in_a = sigma * g_a + gamma * g_b + (1 - sigma - gamma) * hidden[i]
                in_b = sigma * g_b + gamma * g_a + (1 - sigma - gamma) * hidden[i]
            g_a = torch.sparse.mm(adjacency[0], torch.mm(in_a, self.weights[i]))
            g_b = torch.sparse.mm(adjacency[1], torch.mm(in_b, self.weights[depth + i]))
            if i < depth - 1:
                g_a, g_b = F.relu(g_a), F.relu(g_b)
        q = 1.0 / (1.0 + torch.sum((code.unsqueeze(1) - self.centers) ** 2, dim=2))
        q = q / q.sum(dim=1, keepdim=True)
        return x_hat, q, torch.softmax(g_a, dim=1), torch.softmax(g_b, dim=1)


def plain_epoch(inputs: Inputs, tape: bool = True) -> Epoch:
    """One iteration as published: a whole forward pass only for the targets."""
    x, model = inputs.x, PlainMGCN(inputs.model)
    adjacency = [
        torch.sparse_coo_tensor(g.edge_index, g.edge_weight, (len(x), len(x))).coalesce()
        for g in inputs.graphs
    ]
    optimizer = torch.optim.Adam(model.parameters(), OPTIONS.learning_rate)
    weights = (OPTIONS.code_weight, *OPTIONS.stream_weights)

    def epoch() -> float:
        with torch.set_grad_enabled(tape):
            first_pass = model(x, adjacency)  # stays alive, as in the published loop
        q = first_pass[1].detach()
        p = q**2 / q.sum(0)
        p = p / p.sum(1, keepdim=True)
        x_hat, q, g_a, g_b = model(x, adjacency)
        loss = ((x - x_hat) ** 2).sum() / len(x)
        for weight, soft in zip(weights, (q, g_a, g_b), strict=True):
            loss = loss + weight * F.kl_div(soft.log(), p, reduction="batchmean")
        del first_pass
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss)

    return epoch
