"""The terms of stage 2: reconstruction and self-training on sharpened assignments."""

import torch
from torch import Tensor


def target_distribution(q: Tensor, frequency: Tensor | None = None) -> Tensor:
    """Sharpen soft assignments into self-training targets.

    Args:
        q: Soft assignments [N, K]; rows sum to 1. Empty clusters are allowed.
        frequency: Cluster frequencies [K], up to a factor, where ``q`` holds some of the nodes
            only; None: the column sums of ``q``.

    Returns:
        Targets p [N, K]; rows sum to 1; no gradient.

    Raises:
        ValueError: If q is not two-dimensional, or the frequencies are not [K].

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 21-22.
    """
    if q.dim() != 2:
        raise ValueError(f"'q' must be [N, K] (got {tuple(q.shape)})")
    q = q.detach()
    if frequency is None:
        frequency = q.sum(dim=0)
    elif frequency.shape != q.shape[1:]:
        raise ValueError(
            f"'frequency' must be [{q.size(1)}], one value a cluster (got {tuple(frequency.shape)})"
        )
    weight = q.square() / frequency.clamp_min(torch.finfo(q.dtype).tiny)
    return weight / weight.sum(dim=1, keepdim=True)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q), averaged over the nodes.

    Args:
        p: Targets [N, K]; zeros are allowed.
        q: Soft assignments [N, K]; a zero counts as the smallest normal number.

    Returns:
        A scalar in nats, 0 or more, at least float32.

    Raises:
        ValueError: If the shapes differ or are not [N, K].

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 23-25, averaged over the nodes as in the published code
        (the paper sums).
    """
    if p.dim() != 2 or p.shape != q.shape:
        raise ValueError(
            f"'p' and 'q' must have one shape [N, K] (got {tuple(p.shape)} and {tuple(q.shape)})"
        )
    dtype = torch.promote_types(q.dtype, torch.float32)
    p, q = p.to(dtype), q.to(dtype)
    log_q = q.clamp_min(torch.finfo(dtype).tiny).log()
    return (torch.xlogy(p, p) - p * log_q).sum() / p.size(0)


def reconstruction_loss(x: Tensor, x_hat: Tensor, kind: str = "squared_norm") -> Tensor:
    """Squared error of a reconstruction.

    Args:
        x: Features [N, D].
        x_hat: Their reconstruction [N, D].
        kind: ``squared_norm``: |x - x_hat|^2 summed over the entries of a row, mean over the
            rows (Eq. 6 and 11). ``entry_mean``: mean over all entries (the published code).

    Returns:
        A scalar, at least float32.

    Raises:
        ValueError: If the shapes differ or ``kind`` is unknown.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 6 and 11.
    """
    if x.shape != x_hat.shape:
        raise ValueError(
            f"'x' and 'x_hat' must have one shape (got {tuple(x.shape)} and {tuple(x_hat.shape)})"
        )
    if kind not in ("squared_norm", "entry_mean"):
        raise ValueError(f"'kind' must be squared_norm or entry_mean (got {kind!r})")
    dtype = torch.promote_types(x_hat.dtype, torch.float32)
    total = torch.nn.functional.mse_loss(x_hat.to(dtype), x.to(dtype), reduction="sum")
    return total / (x.size(0) if kind == "squared_norm" else x.numel())
