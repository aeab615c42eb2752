import math
from pathlib import Path

import numpy as np
import pytest
import torch

from iciclegcn.losses.self_training import (
    kl_divergence,
    reconstruction_loss,
    target_distribution,
)

GOLDEN_FOLDER = Path(__file__).parents[1] / "golden"
OFFICIAL = np.load(GOLDEN_FOLDER / "mgcn_official.npz")
PAPER = np.load(GOLDEN_FOLDER / "mgcn_paper.npz")


def test_target_distribution_agrees_with_values_computed_by_hand() -> None:
    q = torch.tensor([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])
    # Both clusters have frequency 2, so p is q^2 scaled to rows of 1.
    p = target_distribution(q)
    torch.testing.assert_close(p, torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [0.5, 0.5]]))


def test_target_distribution_favours_rare_clusters() -> None:
    q = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    # Frequencies 1.5 and .5: weights of row 0 are .25/1.5 and .25/.5, so 1 : 3.
    torch.testing.assert_close(target_distribution(q)[0], torch.tensor([0.25, 0.75]))


def test_target_distribution_of_some_nodes_uses_the_frequencies_of_all() -> None:
    q = torch.tensor([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    # Frequencies 2.5 and 1.5: weights of row 2 are .25/2.5 and .25/1.5, so 3 : 5.
    p = target_distribution(q[2:3], torch.tensor([2.5, 1.5]))
    torch.testing.assert_close(p, torch.tensor([[0.375, 0.625]]))
    torch.testing.assert_close(target_distribution(q[:3], 7 * q.sum(0)), target_distribution(q)[:3])
    torch.testing.assert_close(target_distribution(q[:1]), torch.tensor([[0.75, 0.25]]))
    with pytest.raises(ValueError, match=r"'frequency' must be \[2\], one .* \(got \(3,\)\)"):
        target_distribution(q, torch.ones(3))


@pytest.mark.parametrize("golden", [OFFICIAL, PAPER])
def test_target_distribution_agrees_with_golden_values(golden: dict[str, np.ndarray]) -> None:
    p = target_distribution(torch.from_numpy(golden["q"]))
    np.testing.assert_allclose(p.numpy(), golden["p"], rtol=1e-5)


def test_target_distribution_has_no_gradient() -> None:
    q = torch.full((2, 2), 0.5, requires_grad=True)
    assert not target_distribution(q).requires_grad


def test_empty_clusters_give_finite_targets_terms_and_gradients() -> None:
    q = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]], requires_grad=True)
    p = target_distribution(q)
    assert torch.isfinite(p).all()
    torch.testing.assert_close(p.sum(1), torch.ones(2))
    loss = kl_divergence(torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]]), q)
    loss.backward()  # type: ignore[no-untyped-call]
    assert math.isfinite(loss.item())
    assert q.grad is not None
    assert torch.isfinite(q.grad).all()


def test_kl_divergence_agrees_with_values_computed_by_hand() -> None:
    p = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    q = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    second = 0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75)
    assert kl_divergence(p, q).item() == pytest.approx((math.log(2) + second) / 2, rel=1e-6)
    assert kl_divergence(p, p).item() == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize(
    ("golden", "suffix"), [(OFFICIAL, ""), (PAPER, "_batchmean")], ids=["official", "paper"]
)
@pytest.mark.parametrize(("term", "soft"), [("kl_q", "q"), ("kl_a", "g_a"), ("kl_b", "g_b")])
def test_kl_divergence_agrees_with_golden_values(
    golden: dict[str, np.ndarray], suffix: str, term: str, soft: str
) -> None:
    p = torch.from_numpy(golden["p"]).double()
    loss = kl_divergence(p, torch.from_numpy(golden[soft]).double())
    # kl_q is a difference of almost equal single-precision numbers in the official file.
    assert loss.item() == pytest.approx(float(golden[term + suffix]), rel=1e-4, abs=2e-8)


def test_reconstruction_loss_agrees_with_values_computed_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    x_hat = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    assert reconstruction_loss(x, x_hat).item() == pytest.approx((4 + 9) / 2)
    assert reconstruction_loss(x, x_hat, "entry_mean").item() == pytest.approx((4 + 9) / 4)


def test_reconstruction_loss_agrees_with_golden_values() -> None:
    x, x_hat = (torch.from_numpy(OFFICIAL[name]) for name in ("x", "x_hat"))
    loss = reconstruction_loss(x, x_hat, "entry_mean")
    assert loss.item() == pytest.approx(float(OFFICIAL["recon"]), rel=1e-5)
    x, x_hat = (torch.from_numpy(PAPER[name]) for name in ("x", "x_hat"))
    assert reconstruction_loss(x, x_hat).item() == pytest.approx(float(PAPER["recon_eq11"]))


def test_terms_of_bf16_inputs_are_summed_in_single_precision() -> None:
    x = torch.randn(64, 33)
    loss = reconstruction_loss(x, x.bfloat16())
    assert loss.dtype is torch.float32
    q = torch.softmax(torch.randn(64, 5), dim=1)
    assert kl_divergence(q, q.bfloat16()).dtype is torch.float32


def test_shapes_and_kinds_that_do_not_fit_are_refused() -> None:
    q = torch.full((2, 2), 0.5)
    with pytest.raises(ValueError, match="'q' must be"):
        target_distribution(q[0])
    with pytest.raises(ValueError, match="one shape"):
        kl_divergence(q, q[:1])
    with pytest.raises(ValueError, match="one shape"):
        reconstruction_loss(q, q[:1])
    with pytest.raises(ValueError, match="'kind' must be"):
        reconstruction_loss(q, q, "sum")
