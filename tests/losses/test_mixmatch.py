import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from iciclegcn.losses.mixmatch import (
    labelled_loss,
    ramp,
    sharpen,
    smoothed_loss,
    unlabelled_loss,
)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "ruc.npz")
LAMBDA_U, RAMP_EPOCHS, FLOOR = 25, 200, 0.1  # those of CIFAR-10


def golden(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name])


def test_smoothed_labels_agree_with_golden_values() -> None:
    for smoothing, expected in zip(
        GOLDEN["smoothing"], GOLDEN["label_smoothing_loss"], strict=True
    ):
        loss = smoothed_loss(golden("logits"), golden("target"), float(smoothing))
        assert loss.item() == pytest.approx(float(expected), rel=1e-5)


def test_both_terms_agree_with_golden_values_at_every_epoch() -> None:
    labelled = labelled_loss(golden("logits_x"), golden("target_x")).item()
    unlabelled = unlabelled_loss(golden("logits_u"), golden("target_u")).item()
    for epoch, loss_x, loss_u in zip(
        GOLDEN["epoch"], GOLDEN["loss_x"], GOLDEN["loss_u"], strict=True
    ):
        assert labelled == pytest.approx(float(loss_x), rel=1e-5)
        weight = LAMBDA_U * ramp(float(epoch), RAMP_EPOCHS, FLOOR)
        assert weight * unlabelled == pytest.approx(float(loss_u), rel=1e-5)


def test_terms_are_known_in_closed_form() -> None:
    logits = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).log()
    targets = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    expected = -(math.log(0.75) + math.log(0.5)) / 2
    assert labelled_loss(logits, targets).item() == pytest.approx(expected, rel=1e-6)
    assert unlabelled_loss(logits, targets).item() == pytest.approx(2 * 0.25**2 / 4, rel=1e-6)
    smoothed = smoothed_loss(logits[:1], torch.tensor([0]), 0.2)
    expected = -0.8 * math.log(0.75) - 0.2 * math.log(0.25)
    assert smoothed.item() == pytest.approx(expected, rel=1e-6)


def test_sharpening_moves_towards_the_largest_entry() -> None:
    p = torch.tensor([[0.6, 0.3, 0.1], [1 / 3, 1 / 3, 1 / 3]])
    squares = torch.tensor([0.36, 0.09, 0.01])
    sharp = sharpen(p, 0.5)
    torch.testing.assert_close(sharp[0], squares / squares.sum())
    torch.testing.assert_close(sharp[1], p[1])
    torch.testing.assert_close(sharpen(p, 1.0), p)
    torch.testing.assert_close(sharpen(p, 1e-3)[0], torch.tensor([1.0, 0.0, 0.0]))


def test_sharpening_survives_many_clusters_and_one_hot_rows() -> None:
    even = torch.full((1, 1000), 1e-3)
    torch.testing.assert_close(sharpen(even, 0.01), even)
    certain = torch.eye(3)
    assert torch.equal(sharpen(certain, 0.5), certain)
    assert sharpen(certain[:0], 0.5).shape == (0, 3)


def test_the_ramp_goes_from_its_floor_to_one() -> None:
    assert [ramp(epoch, 200, 0.1) for epoch in (0, 10, 20, 50, 200, 300)] == pytest.approx(
        [0.1, 0.1, 0.1, 0.25, 1, 1]
    )


def test_no_rows_give_zero_with_a_gradient() -> None:
    logits = torch.zeros(0, 3, requires_grad=True)
    total = (
        labelled_loss(logits, torch.zeros(0, 3))
        + unlabelled_loss(logits, torch.zeros(0, 3))
        + smoothed_loss(logits, torch.zeros(0, dtype=torch.long), 0.5)
    )
    assert total.item() == 0
    total.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'temperature' must be positive \(got 0\)"):
        sharpen(torch.ones(1, 2), 0)
    for term in (labelled_loss, unlabelled_loss):
        with pytest.raises(ValueError, match=r"got \(2, 3\) and \(2, 4\)"):
            term(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"K of 2 or more.*got \(2, 1\) and \(2,\)"):
        smoothed_loss(torch.zeros(2, 1), torch.zeros(2, dtype=torch.long), 0.5)
