"""The loss of one batch of GCC."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from iciclegcn.config import GCCConfig
from iciclegcn.losses.graph_contrastive import (
    assignment_loss,
    balance_loss,
    consistency_loss,
    representation_loss,
)
from iciclegcn.methods.gcc_batches import GCCBatch
from iciclegcn.methods.gcc_model import GCCModel
from iciclegcn.runtime import Runtime


class HeadLosses(NamedTuple):
    """The terms of every cluster head.

    Attributes:
        assignment: Contrast or consistency with the neighbours [H].
        balance: log K minus the entropy of the mean assignment [H].
        sizes: Images of the batch that each cluster got, int64 [H, K].
        clusters: The cluster of each image of the batch, int64 [B, H].
    """

    assignment: Tensor
    balance: Tensor
    sizes: Tensor
    clusters: Tensor

    def total(self, options: GCCConfig) -> Tensor:
        """The loss of every head [H]."""
        return self.assignment + options.balance_weight * self.balance


class GCCLosses(NamedTuple):
    """The weighted sum, its unweighted terms, and what the loop remembers of the batch.

    Attributes:
        loss: A scalar; with several ranks their MEAN is the loss of the whole batch.
        representation: Likewise.
        heads: Terms of the cluster heads, the same on every rank; None: there is no graph yet.
        z_b: Embeddings of the second views of the whole batch, rows of norm 1 [B, D].
    """

    loss: Tensor
    representation: Tensor
    heads: HeadLosses | None
    z_b: Tensor

    def values(self) -> dict[str, Tensor]:
        """The terms by name; the mean over the heads."""
        named = {"loss": self.loss, "representation": self.representation}
        if self.heads is not None:
            named |= {
                "assignment": self.heads.assignment.mean(),
                "balance": self.heads.balance.mean(),
            }
        return named


def gcc_losses(model: GCCModel, batch: GCCBatch, options: GCCConfig, runtime: Runtime) -> GCCLosses:
    """The loss of one batch.

    Args:
        model: In training mode, batch normalisation synchronised over the ranks.
        batch: This rank's views.
        options: Temperatures and weights.
        runtime: Precision of the networks, and ranks; the terms themselves are in fp32.

    Source:
        GCC (Zhong et al., 2021), Sections 3.3-3.4. The losses of several heads are averaged.
    """
    ranks, total, weight = runtime.ranks, len(batch.rows), batch.weight
    blocks = 2 if weight is None else 3 + weight.size(1)
    with runtime.autocast():
        x = model(batch.views)  # [V * n, D]
        x = x.view(blocks, -1, x.size(1))
        contrasted = x if weight is None else x[:-1]  # partners only name clusters
        z = model.projection(contrasted.flatten(0, 1))
        logits = None if weight is None else model.logits(torch.cat([x[0], x[-1]]))
    z = F.normalize(z.float(), dim=1).view(len(contrasted), -1, z.size(1)).transpose(0, 1)
    z = ranks.gather(z, total)  # [B, 2 + M, D]
    near = z[:, 2:] if weight is not None and weight.size(1) else None
    representation = ranks.size * representation_loss(
        z[:, 0],
        z[:, 1],
        options.temperature,
        neighbors=near,
        weight=None if near is None else weight,
        rows=ranks.share(total),
    )
    loss = options.instance_weight * representation
    heads = None
    if logits is not None:
        pairs = logits.view(2, -1, *logits.shape[1:]).transpose(0, 1)  # [n, 2, H, K]
        heads = head_losses(ranks.gather(pairs, total), options)
        loss = loss + options.assignment_weight * heads.total(options).mean()
    return GCCLosses(loss, representation, heads, z[:, 1].detach())


def head_losses(logits: Tensor, options: GCCConfig) -> HeadLosses:
    """The terms of every head over a whole batch.

    Args:
        logits: Of images and of one neighbour of each [B, 2, H, K].
        options: Which loss.
    """
    p, p_neighbors = logits.softmax(dim=3).transpose(0, 2).unbind(1)  # [H, B, K] each
    if options.assignment_loss == "scan":
        terms = [consistency_loss(a, b) for a, b in zip(p, p_neighbors, strict=True)]
    else:
        temperature = options.assignment_temperature
        terms = [assignment_loss(a, b, temperature) for a, b in zip(p, p_neighbors, strict=True)]
    clusters = p.argmax(dim=2)  # [H, B]
    sizes = [torch.bincount(named, minlength=p.size(2)) for named in clusters]
    balance = torch.stack([balance_loss(a) for a in p])
    return HeadLosses(torch.stack(terms), balance, torch.stack(sizes), clusters.T)
