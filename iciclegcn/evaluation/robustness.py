"""What small perturbations of the pixels, chosen against a classifier, cost in accuracy."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

ATTACKS = ("fgsm", "bim")
EPSILONS = (2 / 255, 4 / 255, 8 / 255, 16 / 255)
_REACH = 1.25  # steps of BIM together, over epsilon


class Pixels(NamedTuple):
    """How a classifier is shown images.

    Attributes:
        view: uint8 [n, C, H, W] to the float view [n, C, S, S] that the classifier takes.
        mean: Subtracted from pixel values in [0, 1] by ``view``.
        std: Divided by after that.
    """

    view: Callable[[Tensor], Tensor]
    mean: float
    std: float


class Robustness(NamedTuple):
    """Accuracy before and under an attack.

    Attributes:
        attack: ``fgsm`` or ``bim``.
        num_images: Images attacked.
        clean: Share in their class's cluster without perturbation.
        epsilons: Largest changes of a pixel value in [0, 1].
        accuracies: Share in their class's cluster under each.
    """

    attack: str
    num_images: int
    clean: float
    epsilons: tuple[float, ...]
    accuracies: tuple[float, ...]

    def figures(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**self._asdict(), "epsilons": [*self.epsilons], "accuracies": [*self.accuracies]}


def robustness(
    model: nn.Module,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
    pixels: Pixels,
    *,
    attack: str = "fgsm",
    epsilons: Sequence[float] = EPSILONS,
    steps: int = 10,
    batch_size: int = 256,
    sample: int | None = 2000,
    seed: int = 0,
) -> Robustness:
    """Accuracy of a classifier of images without and with adversarial perturbations.

    The attacker knows the classifier and each image's right cluster, and changes no pixel value of
    the view, as a share of white, by more than epsilon, nor beyond black or white. Works in
    float32, with the classifier in evaluation mode; the mode it came in is restored.

    Args:
        model: Views [n, C, S, S] to logits [n, K], K >= 2.
        images: uint8 [N, C, H, W].
        targets: The cluster of each image's class [N], as
            `iciclegcn.evaluation.matching.matched_clusters` gives it. Negative where the class has
            no cluster: such an image is wrong with or without an attack.
        pixels: The evaluation view and its normalisation.
        attack: ``fgsm`` (one step) or ``bim`` (several).
        epsilons: Largest changes of a pixel value in [0, 1].
        steps: Steps of ``bim``, of 1.25 epsilon together.
        batch_size: Images at a time.
        sample: Images drawn at most; None: all.
        seed: Fixes the draw.

    Returns:
        Accuracy before and after.

    Raises:
        ValueError: If an argument does not fit.

    Source:
        FGSM: Goodfellow et al. (2015); BIM: Kurakin et al. (2017).
    """
    _validate(images, targets, attack, epsilons, steps)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:sample])
    steps = 1 if attack == "fgsm" else steps
    reach = 1.0 if attack == "fgsm" else _REACH
    hits = torch.zeros(1 + len(epsilons), dtype=torch.int64)
    was_training = model.training
    model.eval()
    try:
        for views, cluster in _batches(model, images, targets, pixels, chosen, batch_size):
            counts = [_hits(model, views, cluster)]
            for epsilon in epsilons:
                step = reach * epsilon / steps
                changed = _perturb(model, views, cluster, pixels, epsilon, step, steps)
                counts.append(_hits(model, changed, cluster))
            hits += torch.stack(counts).cpu()
    finally:
        model.train(was_training)
    clean, *after = (count / len(chosen) for count in hits.tolist())
    return Robustness(attack, len(chosen), clean, tuple(epsilons), tuple(after))


def _batches(
    model: nn.Module,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
    pixels: Pixels,
    chosen: NDArray[np.int64],
    batch_size: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Views [n, C, S, S] and their right clusters [n], on the classifier's device."""
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    for start in range(0, len(chosen), batch_size):
        rows = chosen[start : start + batch_size]
        batch = torch.from_numpy(np.array(images[rows])).to(device)
        yield pixels.view(batch).float(), torch.from_numpy(targets[rows]).to(device)


@torch.no_grad()
def _hits(model: nn.Module, views: Tensor, cluster: Tensor) -> Tensor:
    count: Tensor = (model(views).argmax(dim=1) == cluster).sum()
    return count


def _perturb(
    model: nn.Module,
    views: Tensor,
    cluster: Tensor,
    pixels: Pixels,
    epsilon: float,
    step: float,
    steps: int,
) -> Tensor:
    """Views within epsilon of the given ones that their clusters are less likely for."""
    # Pixel values in [0, 1] in the units of the views.
    black, white = -pixels.mean / pixels.std, (1 - pixels.mean) / pixels.std
    radius = epsilon / pixels.std
    low, high = (views - radius).clamp(min=black), (views + radius).clamp(max=white)
    changed = views
    for _ in range(steps):
        changed = changed.detach().requires_grad_()
        with torch.enable_grad():
            loss = _attack_loss(model(changed), cluster)
            (gradient,) = torch.autograd.grad(loss, changed)
        changed = changed.detach() + step / pixels.std * gradient.sign()
        changed = changed.clamp(low, high)
    return changed


def _attack_loss(logits: Tensor, cluster: Tensor) -> Tensor:
    """The log odds against the right clusters, summed over the batch.

    Its gradient with respect to an image is that of cross-entropy over 1 - p, p the probability of
    the right cluster: the same signs. Cross-entropy's own vanishes in float32 for the confident,
    who would then pass for robust.
    """
    matched = cluster >= 0
    own = cluster.clamp(min=0)[:, None]
    others = logits.float().scatter(1, own, float("-inf")).logsumexp(dim=1)
    odds = others - logits.float().gather(1, own).squeeze(1)
    return odds[matched].sum()


def _validate(
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
    attack: str,
    epsilons: Sequence[float],
    steps: int,
) -> None:
    if images.ndim != 4 or len(images) == 0 or targets.shape != (len(images),):
        raise ValueError(
            "'images' must be a non-empty [N, C, H, W] and 'targets' one cluster an image (got "
            f"shapes {images.shape} and {targets.shape})"
        )
    if attack not in ATTACKS:
        raise ValueError(f"'attack' must be one of {', '.join(ATTACKS)} (got {attack!r})")
    if not epsilons or not all(0 <= epsilon <= 1 for epsilon in epsilons):
        raise ValueError(f"'epsilons' must be one or more in [0, 1] (got {list(epsilons)})")
    if steps < 1:
        raise ValueError(f"'steps' must be at least 1 (got {steps})")
