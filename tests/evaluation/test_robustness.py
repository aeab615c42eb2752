import json
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iciclegcn.data.views import MEAN, STD, evaluation_view
from iciclegcn.evaluation.robustness import ATTACKS, Pixels, robustness


class Linear(nn.Module):
    """Pixels a, b of a view in [0, 1] to the logits scale * (a - b + bias) and 0."""

    def __init__(self, bias: float = 0.0, scale: float = 1.0, mean: float = 0, std: float = 1):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.bias, self.mean, self.std = bias, mean, std
        self.seen: list[Tensor] = []

    def forward(self, views: Tensor) -> Tensor:
        pixels = views.flatten(1) * self.std + self.mean
        self.seen.append(pixels.detach())
        logit = self.scale * (pixels[:, 0] - pixels[:, 1] + self.bias)
        return torch.stack([logit, torch.zeros_like(logit)], dim=1)


class Valley(nn.Module):
    """Cluster 0 except within .03 of the pixel value .55."""

    def forward(self, views: Tensor) -> Tensor:
        depth = (views.flatten(1)[:, 0] - 0.55).abs() - 0.03
        return torch.stack([depth, torch.zeros_like(depth)], dim=1)


def plain(mean: float = 0.0, std: float = 1.0) -> Pixels:
    return Pixels(lambda images: (images.float() / 255 - mean) / std, mean, std)


def image(*pixels: float) -> NDArray[np.uint8]:
    """One image [1, 1, 1, W] of pixel values in [0, 1]."""
    return np.round(255 * np.array(pixels)).astype(np.uint8)[None, None, None]


def targets(*clusters: int) -> NDArray[np.int64]:
    return np.array(clusters, dtype=np.int64)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.25)])
def test_a_margin_of_a_tenth_falls_above_a_twentieth(attack: str, mean: float, std: float) -> None:
    # a - b = .1, and both pixels move towards each other: .02 is left at .04, -.02 at .06.
    found = robustness(
        Linear(mean=mean, std=std),
        image(0.6, 0.5),
        targets(0),
        plain(mean, std),
        attack=attack,
        epsilons=(0.0, 0.04, 0.06),
    )
    assert (found.attack, found.num_images, found.clean) == (attack, 1, 1.0)
    assert found.epsilons == (0.0, 0.04, 0.06)
    assert found.accuracies == (1.0, 1.0, 0.0)


def test_fgsm_moves_every_pixel_by_epsilon_against_the_right_cluster() -> None:
    for cluster, expected in ((0, [0.56, 0.54]), (1, [0.64, 0.46])):
        model = Linear()
        robustness(model, image(0.6, 0.5), targets(cluster), plain(), epsilons=(0.04,))
        assert model.seen[-1].tolist() == [pytest.approx(expected, abs=2e-3)]


def test_pixels_stay_between_black_and_white() -> None:
    # b is white already, so only a moves: .05 - .04 is left, not .05 - .08.
    white = robustness(Linear(bias=0.05), image(1, 1), targets(0), plain(), epsilons=(0.04,))
    assert white.accuracies == (1.0,)
    black = robustness(Linear(bias=0.05), image(0, 0), targets(0), plain(), epsilons=(0.04,))
    assert black.accuracies == (1.0,)
    between = robustness(Linear(bias=0.05), image(0.4, 0.4), targets(0), plain(), epsilons=(0.04,))
    assert between.accuracies == (0.0,)


def test_bim_finds_what_one_step_leaps_over() -> None:
    # From .65 FGSM lands on .45, beyond the valley; steps of .025 end in it.
    cross = partial(robustness, Valley(), image(0.65, 0), targets(0), plain(), epsilons=(0.2,))
    assert cross(attack="fgsm").accuracies == (1.0,)
    assert cross(attack="bim").accuracies == (0.0,)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_bim_stays_within_epsilon_and_reaches_it(steps: int) -> None:
    model = Linear()
    robustness(
        model, image(0.6, 0.5), targets(0), plain(), attack="bim", epsilons=(0.04,), steps=steps
    )
    assert model.seen[-1].tolist() == [pytest.approx([0.56, 0.54], abs=2e-3)]
    change = torch.cat(model.seen) - model.seen[0]
    assert float(change.abs().max()) <= 0.04 + 1e-6


def test_confidence_is_no_protection() -> None:
    # Cross-entropy and its gradient are 0 here in float32.
    found = robustness(Linear(scale=1e5), image(0.6, 0.5), targets(0), plain(), epsilons=(0.06,))
    assert (found.clean, found.accuracies) == (1.0, (0.0,))


def test_images_without_a_cluster_are_wrong_and_left_alone() -> None:
    images = np.concatenate([image(0.6, 0.5)] * 2)
    model = Linear()
    found = robustness(model, images, targets(-1, 0), plain(), epsilons=(0.04,))
    assert (found.clean, found.accuracies) == (0.5, (0.5,))
    assert model.seen[-1][0].tolist() == model.seen[0][0].tolist()
    alone = robustness(model, images, targets(-1, -1), plain(), epsilons=(0.04,))
    assert (alone.clean, alone.accuracies) == (0.0, (0.0,))


def test_batches_and_samples_are_parts_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 1, 1, 2), dtype=np.uint8)
    clusters = (images[:, 0, 0, 0] <= images[:, 0, 0, 1]).astype(np.int64)
    measure = partial(robustness, Linear(), images, clusters, plain(), epsilons=(0.1,))
    assert measure(batch_size=7) == measure(batch_size=50)
    assert measure(sample=20) == measure(sample=20)
    assert measure(sample=20).num_images == 20
    # By hand: the smaller of two pixels catches up where they are at most .2 apart.
    apart = np.abs(images[:, 0, 0, 0] / 255 - images[:, 0, 0, 1] / 255)
    assert measure().clean == 1.0
    assert measure().accuracies == pytest.approx((float((apart > 0.2).mean()),))


def test_the_classifier_is_left_as_it_came() -> None:
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pixels = Pixels(partial(evaluation_view, size=4), MEAN, STD)
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), dtype=np.uint8)
    figures = robustness(model, images, targets(0, 1, 2, 0, 1, 2), pixels).figures()
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert json.loads(json.dumps(figures)) == figures


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attack": "pgd"}, "'attack' must be one of fgsm, bim"),
        ({"epsilons": ()}, "'epsilons' must be one or more"),
        ({"epsilons": (8.0,)}, "'epsilons' must be"),
        ({"steps": 0}, "'steps' must be at least 1"),
        ({"targets": targets(0, 1)}, "one cluster an image"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    arguments = {"targets": targets(0), "pixels": plain()} | change
    with pytest.raises(ValueError, match=message):
        robustness(Linear(), image(0.6, 0.5), **arguments)  # type: ignore[arg-type]
