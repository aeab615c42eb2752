import math

import pytest
import torch
from torch import Tensor

from iciclegcn.losses.contrastive import cluster_loss
from iciclegcn.losses.neighbor_consistency import neighbor_consistency_loss


def assignments(seed: int, num_nodes: int = 12, num_clusters: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(2 * torch.randn(num_nodes, num_clusters, generator=generator), dim=1)


def test_perfect_agreement_on_balanced_clusters_is_known_in_closed_form() -> None:
    hard = torch.eye(3).repeat(4, 1)
    same = torch.arange(12)
    loss = neighbor_consistency_loss([hard, hard], hard, (same + 3) % 12)
    # Each of 2K columns has one positive at cosine 1 and 2K - 2 others at 0.
    expected = -math.log(math.e / (math.e + 4)) - 2 * math.log(3)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("num_streams", [1, 2, 3])
def test_loss_is_the_mean_over_ordered_pairs_of_streams_and_the_code(num_streams: int) -> None:
    streams, code = [assignments(u) for u in range(num_streams)], assignments(9)
    partner = torch.arange(12).roll(1)
    pairs = {
        1: [(0, 0)],
        2: [(0, 1), (1, 0)],
        3: [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)],
    }[num_streams]
    terms = [cluster_loss(streams[u], streams[v][partner]).item() for u, v in pairs]
    terms.append(cluster_loss(code, code[partner]).item())
    loss = neighbor_consistency_loss(streams, code, partner)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-6)


def test_loss_reaches_every_stream_and_the_code() -> None:
    inputs = [assignments(u).requires_grad_() for u in range(3)]
    loss = neighbor_consistency_loss(inputs[:2], inputs[2], torch.arange(12).roll(1))
    for grad in torch.autograd.grad(loss, inputs):
        assert grad.abs().sum() > 0


def test_collapse_to_one_cluster_is_worse_than_agreement() -> None:
    hard, partner = torch.eye(3).repeat(4, 1), (torch.arange(12) + 3) % 12
    collapsed = torch.eye(3)[:1].repeat(12, 1)
    good = neighbor_consistency_loss([hard, hard], hard, partner)
    bad = neighbor_consistency_loss([collapsed, collapsed], collapsed, partner)
    assert torch.isfinite(bad)
    assert bad > good
