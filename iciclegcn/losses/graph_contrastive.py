"""The terms of GCC: contrast over a graph of images, for representations and for assignments."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def representation_loss(
    z_a: Tensor,
    z_b: Tensor,
    temperature: float = 0.1,
    *,
    neighbors: Tensor | None = None,
    weight: Tensor | None = None,
    rows: slice = slice(None),
) -> Tensor:
    """Pull the second view and the neighbours of an image to its first view, push others away.

    Without neighbours, -log e(a_i, b_i) / sum over both views of all images, with
    e(x, y) = exp(x . y / temperature); the first view itself is among them. With neighbours n_ij
    of weight w_ij it is

        -log (e(a_i, b_i) + sum_j w_ij e(a_i, w_ij n_ij)) / negatives_i

    where the negatives are the first views of all images (the image's own too), the second views
    of the others, and the others' neighbours, scaled likewise.

    Args:
        z_a: Projections of the first views [N, D], the anchors; any length (compared by cosine).
        z_b: Projections of the second views [N, D].
        temperature: Positive.
        neighbors: Projections of every image's neighbours [N, M, D]; None: there is no graph yet.
        weight: Their weights [N, M], as from `node_weights`; None: 1.
        rows: The anchors whose part of the loss is wanted: what several processes compute of one
            batch sums to its loss.

    Returns:
        The sum over these anchors divided by N, a scalar in fp32.

    Raises:
        ValueError: If the shapes differ, or there are weights without neighbours.

    Source:
        GCC (Zhong et al., 2021), Section 3.3, with the constants of its published values: the
        weight scales a neighbour and its probability alike.
    """
    _check_same("z_a", z_a, "z_b", z_b)
    num_images = len(z_a)
    z_a, z_b = (F.normalize(z.float(), dim=1) for z in (z_a, z_b))
    anchors = z_a[rows] / temperature
    own = torch.arange(num_images, device=z_a.device)[rows]  # [n]
    logits = anchors @ torch.cat([z_a, z_b]).T  # [n, 2N]
    if neighbors is None:
        if weight is not None:
            raise ValueError("'weight' must come with 'neighbors' (got None)")
        return F.cross_entropy(logits, num_images + own, reduction="sum") / num_images
    weight = _checked_weight(neighbors, weight, z_a)
    num_neighbors = neighbors.size(1)
    scaled = F.normalize(neighbors.float(), dim=2) * weight[:, :, None]
    near = anchors @ scaled.flatten(0, 1).T  # [n, N * M]
    second = num_images + own[:, None]
    listed = own[:, None] * num_neighbors + torch.arange(num_neighbors, device=own.device)
    positive = torch.cat(
        [logits.gather(1, second), near.gather(1, listed) + weight[rows].log()], dim=1
    )
    negative = torch.cat(
        [logits.scatter(1, second, -math.inf), near.scatter(1, listed, -math.inf)], dim=1
    )
    loss = negative.logsumexp(dim=1) - positive.logsumexp(dim=1)
    return loss.sum() / num_images


def assignment_loss(p: Tensor, p_neighbors: Tensor, temperature: float = 1.0) -> Tensor:
    """Match every cluster's column over images with its own column over their neighbours.

    Args:
        p: Soft assignments of images [N, K]; rows sum to 1.
        p_neighbors: Soft assignments of one neighbour of each image [N, K].
        temperature: Positive.

    Returns:
        Cross-entropy of the K x K cosines to the identity, mean over the K columns, a scalar in
        fp32; finite also where nothing is assigned to a cluster.

    Raises:
        ValueError: If the shapes differ or are not [N, K].

    Source:
        GCC (Zhong et al., 2021), Section 3.4.
    """
    _check_same("p", p, "p_neighbors", p_neighbors)
    columns, others = (F.normalize(c.float(), dim=0) for c in (p, p_neighbors))
    logits = columns.T @ others / temperature
    return F.cross_entropy(logits, torch.arange(p.size(1), device=p.device))


def consistency_loss(p: Tensor, p_neighbors: Tensor) -> Tensor:
    """Make an image and its neighbour sure of the same cluster.

    Args:
        p: Soft assignments of images [N, K]; rows sum to 1.
        p_neighbors: Soft assignments of one neighbour of each image [N, K].

    Returns:
        The mean of -log of the rows' products, a scalar in fp32, 0 or more.

    Raises:
        ValueError: If the shapes differ or are not [N, K].

    Source:
        SCAN (Van Gansbeke et al., 2020), first term of Eq. 2.
    """
    _check_same("p", p, "p_neighbors", p_neighbors)
    agreement = (p.float() * p_neighbors.float()).sum(dim=1)
    return -agreement.clamp_min(torch.finfo(agreement.dtype).tiny).log().mean()


def balance_loss(p: Tensor) -> Tensor:
    """How far the mean assignment is from naming every cluster alike.

    Args:
        p: Soft assignments [N, K]; rows sum to 1.

    Returns:
        log K minus the entropy of the mean assignment, a scalar in fp32 in [0, log K].

    Raises:
        ValueError: If p is not [N, K].

    Source:
        GCC (Zhong et al., 2021), Section 3.4; SCAN subtracts the entropy alone.
    """
    if p.dim() != 2:
        raise ValueError(f"'p' must be [N, K] (got {tuple(p.shape)})")
    mean = p.float().mean(dim=0)
    # The gradient of x log x is infinite at 0, which a cluster without images reaches.
    entropy: Tensor = torch.special.entr(mean.clamp_min(torch.finfo(mean.dtype).tiny)).sum()
    return math.log(p.size(1)) - entropy


def node_weights(degree: Tensor, scale: float = 3.0) -> Tensor:
    """How much an image counts as a neighbour: the less, the more images list it.

    Args:
        degree: Neighbours of each image in the symmetrised graph, itself counted [N]; 1 or more.
        scale: s.

    Returns:
        sqrt(s / degree), float32 [N].

    Source:
        GCC (Zhong et al., 2021), Section 3.3: from the normalised Laplacian.
    """
    return (scale / degree.double()).sqrt().float()


def _checked_weight(neighbors: Tensor, weight: Tensor | None, z: Tensor) -> Tensor:
    if neighbors.dim() != 3 or (neighbors.size(0), neighbors.size(2)) != tuple(z.shape):
        raise ValueError(
            f"'neighbors' must be [{z.size(0)}, M, {z.size(1)}] (got {tuple(neighbors.shape)})"
        )
    if weight is None:
        return torch.ones(neighbors.shape[:2], device=z.device)
    if weight.shape != neighbors.shape[:2]:
        raise ValueError(
            f"'weight' must be {tuple(neighbors.shape[:2])}, one a neighbour "
            f"(got {tuple(weight.shape)})"
        )
    return weight.float()


def _check_same(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    if a.dim() != 2 or a.shape != b.shape:
        raise ValueError(
            f"'{name_a}' and '{name_b}' must have one shape of two dimensions "
            f"(got {tuple(a.shape)} and {tuple(b.shape)})"
        )
