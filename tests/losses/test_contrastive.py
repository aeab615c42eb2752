import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from iciclegcn.losses.contrastive import cluster_loss, instance_loss, instance_loss_of_share

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "contrastive_losses.npz")


def golden(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name])


def test_instance_loss_agrees_with_golden_values() -> None:
    for tau, expected in zip(GOLDEN["instance_tau"], GOLDEN["instance_loss"], strict=True):
        loss = instance_loss(golden("z_a"), golden("z_b"), float(tau))
        assert loss.item() == pytest.approx(float(expected), rel=1e-5)


def test_cluster_loss_agrees_with_golden_values_up_to_the_entropy_constant() -> None:
    for tau, expected in zip(GOLDEN["cluster_tau"], GOLDEN["cluster_loss"], strict=True):
        loss = cluster_loss(golden("c_a"), golden("c_b"), float(tau))
        assert loss.item() == pytest.approx(float(expected) - 2 * math.log(5), rel=1e-5)


def test_instance_loss_of_orthogonal_pairs_is_known_in_closed_form() -> None:
    z = torch.eye(3)
    # Each view sees one positive at cosine 1 and four others at 0.
    expected = -math.log(math.e**2 / (math.e**2 + 4))
    assert instance_loss(z, z, 0.5).item() == pytest.approx(expected, rel=1e-6)
    unmasked = -math.log(math.e**2 / (2 * math.e**2 + 4))
    assert instance_loss(z, z, 0.5, mask_self=False).item() == pytest.approx(unmasked, rel=1e-6)


def test_instance_loss_ignores_the_length_of_projections() -> None:
    z_a, z_b = golden("z_a"), golden("z_b")
    scaled = instance_loss(z_a * torch.rand(16, 1) * 9, z_b)
    torch.testing.assert_close(scaled, instance_loss(z_a, z_b))


@pytest.mark.parametrize("mask_self", [True, False])
def test_shares_of_the_instance_loss_sum_to_it(mask_self: bool) -> None:
    z_a, z_b = golden("z_a").requires_grad_(), golden("z_b").requires_grad_()
    whole = instance_loss(z_a, z_b, 0.3, mask_self=mask_self)
    expected = torch.autograd.grad(whole, (z_a, z_b))
    bounds = [0, 3, 4, len(z_a)]
    total = sum(
        (
            instance_loss_of_share(
                z_a[start:end], z_b[start:end], z_a, z_b, start, 0.3, mask_self=mask_self
            )
            for start, end in itertools.pairwise(bounds)
        ),
        start=torch.zeros(()),
    )
    torch.testing.assert_close(total, whole)
    torch.testing.assert_close(torch.autograd.grad(total, (z_a, z_b)), expected)


def test_cluster_loss_reaches_its_bound_for_balanced_one_hot_assignments() -> None:
    c = torch.eye(4).repeat(5, 1)
    contrast = -math.log(math.e / (math.e + 6))
    assert cluster_loss(c, c).item() == pytest.approx(contrast - 2 * math.log(4), rel=1e-6)


def test_cluster_loss_depends_on_both_views() -> None:
    c_a = golden("c_a").requires_grad_()
    c_b = golden("c_b").requires_grad_()
    cluster_loss(c_a, c_b).backward()  # type: ignore[no-untyped-call]
    assert c_a.grad is not None
    assert c_b.grad is not None
    assert c_a.grad.abs().sum() > 0
    assert c_b.grad.abs().sum() > 0


def test_losses_do_not_depend_on_the_order_of_images_or_clusters() -> None:
    rows, columns = torch.randperm(16), torch.randperm(5)
    c_a, c_b = golden("c_a"), golden("c_b")
    torch.testing.assert_close(
        cluster_loss(c_a[rows][:, columns], c_b[rows][:, columns]), cluster_loss(c_a, c_b)
    )
    z_a, z_b = golden("z_a"), golden("z_b")
    torch.testing.assert_close(instance_loss(z_a[rows], z_b[rows]), instance_loss(z_a, z_b))


def test_cluster_loss_and_its_gradient_are_finite_when_a_cluster_is_empty() -> None:
    c = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    loss = cluster_loss(c, c.detach().clone())
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert c.grad is not None
    assert torch.isfinite(c.grad).all()


def test_losses_refuse_unequal_shapes() -> None:
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(4, 2\)"):
        instance_loss(torch.ones(3, 2), torch.ones(4, 2))
