"""The two contrastive terms of stage 1."""

import torch
from torch import Tensor
from torch.nn import functional as F


def instance_loss(
    z_a: Tensor, z_b: Tensor, temperature: float = 0.5, *, mask_self: bool = True
) -> Tensor:
    """Pull the two views of an image together and push all other images away.

    Args:
        z_a: Projections of the first views [N, D], any length (compared by cosine).
        z_b: Projections of the second views [N, D].
        temperature: tau_I, positive.
        mask_self: Leave the pair of a view with itself out of the denominator. Eq. 2 as printed
            keeps it, a constant e^(1/tau); the published code masks it.

    Returns:
        The mean over all 2N views, a scalar in fp32.

    Raises:
        ValueError: If the shapes differ or are not [N, D].

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 1-3.
    """
    _check_pair("z_a", z_a, "z_b", z_b)
    n = z_a.size(0)
    z = F.normalize(torch.cat([z_a, z_b]).float(), dim=1)  # [2N, D]
    logits = z @ z.T / temperature
    if mask_self:
        diagonal = torch.eye(2 * n, dtype=torch.bool, device=z.device)
        logits = logits.masked_fill(diagonal, float("-inf"))
    positives = torch.arange(2 * n, device=z.device).roll(n)
    return F.cross_entropy(logits, positives)


def instance_loss_of_share(
    z_a: Tensor,
    z_b: Tensor,
    all_a: Tensor,
    all_b: Tensor,
    first: int,
    temperature: float = 0.5,
    *,
    mask_self: bool = True,
) -> Tensor:
    """The part of `instance_loss` that belongs to some of a batch's images.

    The shares of several processes sum to the loss of the whole batch, and each holds logits
    [2n, 2N] instead of [2N, 2N].

    Args:
        z_a: Projections of the first views of some images [n, D].
        z_b: Projections of their second views [n, D].
        all_a: Projections of the first views of all images [N, D].
        all_b: Projections of the second views of all images [N, D].
        first: Row of ``all_a`` that is the first of ``z_a``; the others follow it.
        temperature: tau_I, positive.
        mask_self: As in `instance_loss`.

    Returns:
        The sum over the 2n views, divided by 2N; a scalar in fp32.

    Raises:
        ValueError: If the shapes differ or are not [n, D] and [N, D].

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 1-3.
    """
    _check_pair("z_a", z_a, "z_b", z_b)
    _check_pair("all_a", all_a, "all_b", all_b)
    n, total = z_a.size(0), all_a.size(0)
    z = F.normalize(torch.cat([z_a, z_b]).float(), dim=1)  # [2n, D]
    logits = z @ F.normalize(torch.cat([all_a, all_b]).float(), dim=1).T / temperature
    rows = torch.arange(first, first + n, device=z.device)
    itself, other = torch.cat([rows, rows + total]), torch.cat([rows + total, rows])
    if mask_self:
        logits = logits.scatter(1, itself[:, None], float("-inf"))
    return F.cross_entropy(logits, other, reduction="sum") / (2 * total)


def cluster_loss(c_a: Tensor, c_b: Tensor, temperature: float = 1.0) -> Tensor:
    """Make the assignment columns of two views agree, and keep every cluster in use.

    Args:
        c_a: Soft assignments of the first views [N, K]; rows sum to 1.
        c_b: Soft assignments of the second views [N, K].
        temperature: tau_C, positive.

    Returns:
        The contrast over all 2K columns minus both entropies of the mean assignment, a scalar in
        fp32; at least -2 log K.

    Raises:
        ValueError: If the shapes differ or are not [N, K].

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 4-5. The pair of a column with itself is masked as in
        the instance loss.
    """
    _check_pair("c_a", c_a, "c_b", c_b)
    c_a, c_b = c_a.float(), c_b.float()
    contrast = instance_loss(c_a.T, c_b.T, temperature)
    return contrast - _mean_assignment_entropy(c_a) - _mean_assignment_entropy(c_b)


def _mean_assignment_entropy(c: Tensor) -> Tensor:
    """Entropy in nats of the mean soft assignment; an empty cluster adds nothing."""
    mean = c.mean(dim=0)
    entropy: Tensor = torch.special.entr(mean.clamp_min(torch.finfo(mean.dtype).tiny)).sum()
    return entropy


def _check_pair(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    if a.dim() != 2 or a.shape != b.shape:
        raise ValueError(
            f"'{name_a}' and '{name_b}' must have one shape [N, D] "
            f"(got {tuple(a.shape)} and {tuple(b.shape)})"
        )
