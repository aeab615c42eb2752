import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from iciclegcn.losses.self_labelling import (
    Taught,
    confident_labels,
    self_label_loss,
    teaching_weights,
)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "gcc.npz")


def golden(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name])


@pytest.mark.parametrize("balanced", [True, False])
def test_the_loss_agrees_with_golden_values(balanced: bool) -> None:
    taught = confident_labels(golden("weak_logits"), float(GOLDEN["selflabel_threshold"]))
    weights = teaching_weights(taught, 4, balanced=balanced)
    loss = self_label_loss(golden("strong_logits"), taught.labels, weights)
    expected = GOLDEN["selflabel_balanced" if balanced else "selflabel_unbalanced"]
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)


def test_answers_teach_above_the_threshold_alone() -> None:
    # Probabilities 0.8, 0.5 and 0.9 of the larger of two.
    logits = torch.tensor([[4.0, 1.0], [1.0, 1.0], [1.0, 9.0]]).log().requires_grad_()
    taught = confident_labels(logits, 0.6)
    assert taught.labels.tolist() == [0, 0, 1]
    assert taught.confident.tolist() == [True, False, True]
    assert not taught.labels.requires_grad
    exactly = torch.tensor([[0.0, 0.0]])
    assert confident_labels(exactly, 0.5).confident.tolist() == [False]


def test_every_cluster_that_teaches_weighs_alike() -> None:
    confident = torch.tensor([True, True, True, True, False])
    taught = Taught(torch.tensor([0, 0, 0, 2, 1]), confident)
    weights = teaching_weights(taught, 4)
    torch.testing.assert_close(weights, torch.tensor([1 / 6, 1 / 6, 1 / 6, 1 / 2, 0.0]))
    even = teaching_weights(taught, 4, balanced=False)
    torch.testing.assert_close(even, torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0]))


def test_the_loss_is_known_in_closed_form() -> None:
    logits = torch.tensor([[3.0, 1.0], [1.0, 1.0]]).log()
    loss = self_label_loss(logits, torch.tensor([0, 1]), torch.tensor([0.25, 0.75]))
    assert loss.item() == pytest.approx(-0.25 * math.log(0.75) - 0.75 * math.log(0.5), rel=1e-6)


def test_parts_of_a_batch_sum_to_its_loss() -> None:
    taught = confident_labels(golden("weak_logits"), 0.9)
    weights, strong = teaching_weights(taught, 4), golden("strong_logits")
    whole = self_label_loss(strong, taught.labels, weights)
    parts = [slice(0, 7), slice(7, 7), slice(7, 40)]
    split = sum(self_label_loss(strong[p], taught.labels[p], weights[p]) for p in parts)
    torch.testing.assert_close(split, whole)


def test_nobody_confident_gives_zero_and_no_gradient() -> None:
    strong = golden("strong_logits").clone().requires_grad_()
    taught = confident_labels(torch.zeros(40, 4), 0.98)
    assert not taught.confident.any()
    loss = self_label_loss(strong, taught.labels, teaching_weights(taught, 4))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert strong.grad is not None
    assert not strong.grad.any()


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'weak_logits' must be \[N, K\] \(got \(3,\)\)"):
        confident_labels(torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match=r"\(got \(3, 2\), \(2,\) and \(3,\)\)"):
        self_label_loss(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long), torch.zeros(3))
