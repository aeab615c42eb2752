import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from iciclegcn.losses.graph_contrastive import (
    assignment_loss,
    balance_loss,
    consistency_loss,
    node_weights,
    representation_loss,
)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "gcc.npz")


def golden(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name])


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def soft(n: int, k: int, seed: int = 0) -> Tensor:
    return some(n, k, seed=seed).softmax(dim=1)


def test_representation_loss_agrees_with_golden_values() -> None:
    z_a, z_b = golden("z").unbind(1)
    temperature = golden("temperature").item()
    plain = representation_loss(z_a, z_b, temperature)
    assert plain.item() == pytest.approx(golden("rgc_no_neighbors").item(), rel=1e-6)
    neighbors = golden("neighbor_z").view(3, 12, 8).transpose(0, 1)
    weight = golden("neighbor_weight").T
    found = representation_loss(z_a, z_b, temperature, neighbors=neighbors, weight=weight)
    assert found.item() == pytest.approx(golden("rgc_three_neighbors").item(), rel=1e-6)


def test_assignment_terms_agree_with_golden_values() -> None:
    p, q = golden("agc_logits").softmax(dim=1), golden("agc_neighbor_logits").softmax(dim=1)
    contrast, balance = assignment_loss(p, q), balance_loss(p)
    assert contrast.item() == pytest.approx(golden("agc_cross_entropy").item(), rel=1e-6)
    assert balance.item() == pytest.approx(golden("agc_balance").item(), rel=1e-5)
    assert (contrast + 2 * balance).item() == pytest.approx(golden("agc_total").item(), rel=1e-6)


def test_scan_agrees_with_golden_values_up_to_the_constant() -> None:
    p = golden("scan_anchor_logits").softmax(dim=1)
    q = golden("scan_neighbor_logits").softmax(dim=1)
    consistency, entropy = consistency_loss(p, q), math.log(4) - balance_loss(p)
    assert consistency.item() == pytest.approx(golden("scan_consistency").item(), rel=1e-6)
    assert entropy.item() == pytest.approx(golden("scan_entropy").item(), rel=1e-6)
    total = consistency - golden("scan_entropy_weight") * entropy
    assert total.item() == pytest.approx(golden("scan_total").item(), rel=1e-6)


def test_node_weights_agree_with_golden_values() -> None:
    lists = golden("knn_with_self")
    adjacency = torch.zeros(60, 60, dtype=torch.bool)
    adjacency[torch.arange(60)[:, None], lists] = True
    degree = (adjacency | adjacency.T).sum(dim=1)
    torch.testing.assert_close(node_weights(degree).double(), golden("node_weight"))


def test_representation_loss_of_orthogonal_images_is_known_in_closed_form() -> None:
    z = torch.eye(3)
    e = math.exp(2)  # every anchor: itself and its second view at cosine 1, four others at 0
    assert representation_loss(z, z, 0.5).item() == pytest.approx(-math.log(e / (2 * e + 4)))
    # One neighbour that looks like the image: one positive more, two negatives at 0 more.
    found = representation_loss(z, z, 0.5, neighbors=z[:, None], weight=torch.full((3, 1), 0.5))
    positive = e + 0.5 * math.exp(1)
    assert found.item() == pytest.approx(-math.log(positive / (e + 4 + 2)))


def test_representation_loss_ignores_the_length_of_projections() -> None:
    z_a, z_b, near = some(6, 4), some(6, 4, seed=1), some(6, 2, 4, seed=2)
    expected = representation_loss(z_a, z_b, neighbors=near)
    found = representation_loss(3 * z_a, 0.1 * z_b, neighbors=7 * near)
    torch.testing.assert_close(found, expected)


def test_representation_loss_does_not_depend_on_the_order_of_images() -> None:
    z_a, z_b, near = some(6, 4), some(6, 4, seed=1), some(6, 2, 4, seed=2)
    weight = torch.rand(6, 2, generator=torch.Generator().manual_seed(3))
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    expected = representation_loss(z_a, z_b, neighbors=near, weight=weight)
    found = representation_loss(z_a[order], z_b[order], neighbors=near[order], weight=weight[order])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("num_neighbors", [None, 0, 1, 3])
def test_shares_of_the_representation_loss_sum_to_it(num_neighbors: int | None) -> None:
    z_a, z_b = some(7, 4).requires_grad_(), some(7, 4, seed=1).requires_grad_()
    near = None if num_neighbors is None else some(7, num_neighbors, 4, seed=2)
    whole = representation_loss(z_a, z_b, neighbors=near)
    parts = [
        representation_loss(z_a, z_b, neighbors=near, rows=slice(start, end))
        for start, end in pairwise([0, 2, 3, 7])
    ]
    together = torch.stack(parts).sum()
    torch.testing.assert_close(together, whole)
    gradients = torch.autograd.grad(whole, (z_a, z_b))
    torch.testing.assert_close(torch.autograd.grad(together, (z_a, z_b)), gradients)


def test_a_neighbour_of_small_weight_counts_little() -> None:
    z_a, z_b = some(6, 4), some(6, 4, seed=1)
    near = z_a[:, None]  # the best neighbour there can be
    losses = [
        representation_loss(z_a, z_b, neighbors=near, weight=torch.full((6, 1), w)).item()
        for w in (0.05, 0.5, 1.0)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_representation_loss_is_finite_far_from_fp32_range() -> None:
    z = torch.eye(4).requires_grad_()
    loss = representation_loss(z, -z, 1e-3, neighbors=z[:, None])
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_assignment_loss_of_certain_assignments_is_known_in_closed_form() -> None:
    p = torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    assert assignment_loss(p, p).item() == pytest.approx(-math.log(math.e / (math.e + 2)))
    swapped = p[:, [1, 0, 2]]
    expected = -(2 * math.log(1 / (math.e + 2)) + math.log(math.e / (math.e + 2))) / 3
    assert assignment_loss(p, swapped).item() == pytest.approx(expected)
    cold = -math.log(math.exp(2) / (math.exp(2) + 2))
    assert assignment_loss(p, p, 0.5).item() == pytest.approx(cold)


def test_consistency_of_two_rows_is_known_in_closed_form() -> None:
    p, q = torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([[0.8, 0.2], [0.25, 0.75]])
    expected = -(math.log(0.5) + math.log(0.25)) / 2
    assert consistency_loss(p, q).item() == pytest.approx(expected)


def test_balance_spans_from_nothing_to_log_k() -> None:
    assert balance_loss(torch.eye(4)).item() == pytest.approx(0, abs=1e-6)
    assert balance_loss(torch.eye(4)[[2, 2, 2]]).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("loss", [assignment_loss, consistency_loss])
def test_a_dead_cluster_leaves_losses_and_gradients_finite(
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    logits = torch.tensor([[200.0, 0.0, -200.0], [0.0, 200.0, -200.0]], requires_grad=True)
    p = logits.softmax(dim=1)
    total = loss(p, p.flip(0)) + balance_loss(p)
    total.backward()  # type: ignore[no-untyped-call]
    assert total.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_half_precision_is_computed_in_fp32() -> None:
    z, p = some(5, 4).bfloat16(), soft(5, 3).bfloat16()
    near = some(5, 2, 4).bfloat16()
    assert representation_loss(z, z, neighbors=near).dtype == torch.float32
    for loss in (assignment_loss(p, p), consistency_loss(p, p), balance_loss(p)):
        assert loss.dtype == torch.float32


def test_other_shapes_are_refused() -> None:
    z, near = some(5, 4), some(5, 2, 4)
    with pytest.raises(ValueError, match=r"'z_a' and 'z_b' must have one shape .*\(4, 4\)"):
        representation_loss(z, z[:4])
    with pytest.raises(ValueError, match=r"'neighbors' must be \[5, M, 4\] \(got \(4, 2, 4\)\)"):
        representation_loss(z, z, neighbors=near[:4])
    with pytest.raises(ValueError, match=r"'weight' must be \(5, 2\), .* \(got \(5, 1\)\)"):
        representation_loss(z, z, neighbors=near, weight=torch.ones(5, 1))
    with pytest.raises(ValueError, match="'weight' must come with 'neighbors'"):
        representation_loss(z, z, weight=torch.ones(5, 1))
    with pytest.raises(ValueError, match="'p' and 'p_neighbors' must have one shape"):
        assignment_loss(z, z.T)
    with pytest.raises(ValueError, match="'p' and 'p_neighbors' must have one shape"):
        consistency_loss(z, z.T)
    with pytest.raises(ValueError, match=r"'p' must be \[N, K\] \(got \(5,\)\)"):
        balance_loss(z[:, 0])
