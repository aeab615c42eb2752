"""The terms that RUC learns by: MixMatch's two, and smoothed labels."""

import torch
from torch import Tensor
from torch.nn import functional as F


def sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """Move soft labels towards their largest entries.

    Args:
        probabilities: Rows [N, K] of sum 1.
        temperature: T; 1 changes nothing, towards 0 the rows become one-hot.

    Returns:
        p^(1/T), rows again of sum 1.

    Raises:
        ValueError: If the temperature is not positive.

    Source:
        MixMatch (Berthelot et al., 2019), Eq. 7; RUC (Park et al., 2021), Section 3.2.
    """
    if not temperature > 0:
        raise ValueError(f"'temperature' must be positive (got {temperature})")
    # Scaled to a largest entry of 1 first: no power of it vanishes.
    scaled = probabilities / probabilities.amax(dim=1, keepdim=True)
    return F.normalize(scaled ** (1 / temperature), p=1, dim=1)


def labelled_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy to soft targets.

    Args:
        logits: [N, K].
        targets: Rows [N, K] of sum 1.

    Returns:
        The mean over the rows, a scalar in fp32; 0 without rows.

    Raises:
        ValueError: If the shapes differ or are not [N, K].

    Source:
        MixMatch (Berthelot et al., 2019), Eq. 3.
    """
    _check_pair(logits, targets)
    crosses = -(targets * logits.float().log_softmax(dim=1)).sum()
    return crosses / max(1, len(logits))


def unlabelled_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Squared error of probabilities to guessed targets.

    Args:
        logits: [N, K].
        targets: Rows [N, K] of sum 1.

    Returns:
        The mean over all N K entries, a scalar in fp32; 0 without rows.

    Raises:
        ValueError: If the shapes differ or are not [N, K].

    Source:
        MixMatch (Berthelot et al., 2019), Eq. 4.
    """
    _check_pair(logits, targets)
    errors = (logits.float().softmax(dim=1) - targets).square().sum()
    return errors / max(1, logits.numel())


def ramp(epoch: float, length: int, floor: float) -> float:
    """The share of the unlabelled term's weight at an epoch: linear, from a floor to 1.

    Args:
        epoch: Epochs done, 0 or more.
        length: Epochs until the whole weight.
        floor: Least share.

    Source:
        RUC (Park et al., 2021), Section 4.1: the ramp of lambda_u.
    """
    return max(floor, min(1.0, epoch / length))


def smoothed_loss(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy to labels that leave a share to the other clusters.

    Args:
        logits: [N, K], K at least 2.
        labels: int64 [N].
        smoothing: The share, spread evenly over the K - 1 other clusters.

    Returns:
        The mean over the rows, a scalar in fp32; 0 without rows.

    Raises:
        ValueError: If the shapes do not fit.

    Source:
        RUC (Park et al., 2021), Section 3.3. PyTorch's ``label_smoothing`` spreads the share over
        all K.
    """
    if logits.dim() != 2 or logits.size(1) < 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            "'logits' must be [N, K] with K of 2 or more, and 'labels' [N] (got "
            f"{tuple(logits.shape)} and {tuple(labels.shape)})"
        )
    share = smoothing / (logits.size(1) - 1)
    targets = torch.full_like(logits, share, dtype=torch.float32)
    return labelled_loss(logits, targets.scatter(1, labels[:, None], 1 - smoothing))


def _check_pair(logits: Tensor, targets: Tensor) -> None:
    if logits.dim() != 2 or logits.shape != targets.shape:
        raise ValueError(
            "'logits' and 'targets' must have one shape [N, K] "
            f"(got {tuple(logits.shape)} and {tuple(targets.shape)})"
        )
