"""One step of one network of RUC: co-refined targets, and the loss on mixed and strong views."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from iciclegcn.config import RUCConfig
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.losses.mixmatch import (
    labelled_loss,
    ramp,
    sharpen,
    smoothed_loss,
    unlabelled_loss,
)
from iciclegcn.methods.ruc_batches import Batch, BatchViews, Mixing


class RUCLosses(NamedTuple):
    """The weighted sum and its unweighted terms, scalars."""

    loss: Tensor
    labelled: Tensor
    unlabelled: Tensor
    smoothed: Tensor


class Believed(NamedTuple):
    """What is believed of this rank's c clean images of a batch.

    Attributes:
        labels: int64 [c].
        reliance: On the peer, in [0, 1], float32 [c].
    """

    labels: Tensor
    reliance: Tensor


@torch.no_grad()
def refined_targets(
    network: nn.Module,
    peer: nn.Module | None,
    views: BatchViews,
    believed: Believed,
    options: RUCConfig,
) -> Tensor:
    """The targets of this rank's n images of a batch.

    The network answers weak views of all n in training mode, so that the statistics of its batch
    normalisation are those of views that nothing is mixed into; the peer is in evaluation mode.

    Args:
        network: The one that is trained.
        peer: The other one, or itself; None: nobody refines.
        views: Of these images.
        believed: Labels and reliance of the clean ones.
        options: ``sharpening``.

    Returns:
        [n, K]: for the c clean ones (1 - w) one-hot + w peer, sharpened; then, for the others, the
        sharpened mean guess on both weak views. Without a peer w is 0 and the guess the network's.

    Source:
        RUC (Park et al., 2021), Section 3.2, co-refinement.
    """
    num_clean = len(believed.labels)
    unclean = (views.first[num_clean:], views.second[num_clean:])
    if peer is not None:
        # One pass for all: in evaluation mode images do not see each other.
        other = _probabilities(peer, torch.cat([views.original, *unclean]), training=False)
    answered = _probabilities(network, torch.cat([views.first, unclean[1]]), training=True)
    guesses = list(answered[num_clean:].chunk(2))
    clean = F.one_hot(believed.labels, answered.size(1)).float()
    if peer is not None:
        w = believed.reliance[:, None]
        clean = sharpen((1 - w) * clean + w * other[:num_clean], options.sharpening)
        if peer is not network:
            guesses += other[num_clean:].chunk(2)
    guessed = sharpen(torch.stack(guesses).mean(dim=0), options.sharpening)
    return torch.cat([clean, guessed])


def ruc_losses(
    network: nn.Module,
    views: BatchViews,
    targets: Tensor,
    labels: Tensor,
    batch: Batch,
    mixing: Mixing,
    options: RUCConfig,
    epoch: float,
    ranks: Ranks,
) -> RUCLosses:
    """The loss of one batch, from this rank's share of it.

    Args:
        network: The one that is trained, in training mode.
        views: Of this rank's n images.
        targets: Of the WHOLE batch [B, K].
        labels: Of this rank's c clean images, int64 [c].
        batch: The whole batch.
        mixing: Partners and their share.
        options: Weights and switches.
        epoch: Epochs done, for the ramp.
        ranks: The processes that hold a share of the batch each.

    Returns:
        The sum and its terms; their MEAN over the ranks is that of the whole batch, and so is the
        mean of the gradients.

    Source:
        RUC (Park et al., 2021), Section 3.2-3.3; MixMatch (Berthelot et al., 2019), Eq. 2-5.
    """
    total, num_clean = len(batch.rows), batch.num_clean
    share = ranks.share(total)
    own = torch.arange(share.start, share.stop)
    both = torch.cat([own, own + total])
    mixed = _mix(torch.cat([views.first, views.second]), views.partners, mixing.share)
    wanted = _mix(targets[both % total], targets[mixing.partners[both] % total], mixing.share)
    with _still_statistics(network):
        logits = network(torch.cat([mixed, views.strong]))
    on_mixed, on_strong = logits.split([len(mixed), len(views.strong)])
    clean = both % total < num_clean

    def of_batch(term: Tensor, rows: int, all_rows: int) -> Tensor:
        return term * (ranks.size * rows / max(1, all_rows))  # shares differ in length

    rows = int(clean.sum())
    labelled = of_batch(labelled_loss(on_mixed[clean], wanted[clean]), rows, 2 * num_clean)
    unlabelled = of_batch(
        unlabelled_loss(on_mixed[~clean], wanted[~clean]),
        *(len(both) - rows, 2 * (total - num_clean)),
    )
    smoothed = torch.zeros_like(labelled)
    if options.label_smoothing is not None:
        term = smoothed_loss(on_strong, labels, options.label_smoothing)
        smoothed = of_batch(term, len(labels), num_clean)
    lambda_u = options.unlabelled_weight * ramp(epoch, options.ramp_epochs, options.ramp_floor)
    return RUCLosses(labelled + lambda_u * unlabelled + smoothed, labelled, unlabelled, smoothed)


def _mix(views: Tensor, partners: Tensor, share: float) -> Tensor:
    return share * views + (1 - share) * partners


def _probabilities(network: nn.Module, views: Tensor, *, training: bool) -> Tensor:
    network.train(training)
    logits: Tensor = network(views)
    return logits.float().softmax(dim=1)


@contextmanager
def _still_statistics(network: nn.Module) -> Iterator[None]:
    """Normalise by the batch without remembering it: mixed images are no images of the data."""
    layers: Sequence[_BatchNorm] = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    kept = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, kept, strict=True):
            layer.momentum = momentum
