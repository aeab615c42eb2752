"""The batches of an epoch of RUC, and the views of one of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.data.strong_views import strong_views, weak_config
from iciclegcn.data.views import Among, evaluation_view, random_views
from iciclegcn.runtime import Runtime


class Batch(NamedTuple):
    """The images of a step, on all ranks together.

    Attributes:
        rows: Image indices of the clean images, then of the unclean ones, int64 [B].
        num_clean: How many are clean.
    """

    rows: NDArray[np.int64]
    num_clean: int


class Mixing(NamedTuple):
    """How the 2 B weak views of a batch are mixed: of all images a first view, then a second.

    Attributes:
        partners: The view that each view is mixed with, int64 [2 B].
        share: What a view keeps of itself, in [0.5, 1].
    """

    partners: Tensor
    share: float


class BatchViews(NamedTuple):
    """Views of this rank's n images of a batch, c of them clean.

    Attributes:
        first: A weak view of each [n, C, S, S].
        second: Another weak view of each [n, C, S, S].
        partners: The weak views to mix with the first and the second ones [2 n, C, S, S].
        original: The clean ones without augmentation [c, C, S, S].
        strong: A strong view of the clean ones [c, C, S, S]; none where it is not asked for.
    """

    first: Tensor
    second: Tensor
    partners: Tensor
    original: Tensor
    strong: Tensor


def num_steps(clean: Tensor, batch_size: int) -> int:
    """Steps of an epoch: each image of the larger set is seen."""
    num_clean = int(clean.sum())
    return -(-max(num_clean, len(clean) - num_clean) // batch_size)


def epoch_batches(clean: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Pair clean with unclean images at random.

    Args:
        clean: Which images are clean, bool [N].
        batch_size: Images of either set in a batch, fewer where the set is smaller. The smaller
            set is gone through repeatedly.
        generator: Source of the order, on the CPU.
    """
    steps = num_steps(clean, batch_size)
    parts = [_rows(mask.nonzero()[:, 0], batch_size, steps, generator) for mask in (clean, ~clean)]
    for clean_rows, unclean_rows in zip(*parts, strict=True):
        # Sorted within a set: neighbours in a mapped file are read together.
        rows = np.concatenate([np.sort(clean_rows), np.sort(unclean_rows)])
        yield Batch(rows, len(clean_rows))


def draw_mixing(size: int, alpha: float, random: np.random.Generator) -> Mixing:
    """Partners among all views and their share.

    Args:
        size: Images of the batch, B.
        alpha: Both parameters of the Beta distribution.
        random: Source of both.

    Source:
        MixMatch (Berthelot et al., 2019), Eq. 8-11.
    """
    share = float(random.beta(alpha, alpha))
    return Mixing(torch.from_numpy(random.permutation(2 * size)), max(share, 1 - share))


def unmixed(size: int) -> Mixing:
    """Every view as it is, of B images."""
    return Mixing(torch.arange(2 * size), 1.0)


def draw_views(
    images: NDArray[np.uint8],
    batch: Batch,
    mixing: Mixing,
    config: Config,
    runtime: Runtime,
    generator: torch.Generator,
) -> BatchViews:
    """Draw the views of this rank's share of a batch, and of what they are mixed with.

    Every rank draws for the whole batch: its views are the same on any number of ranks.

    Args:
        images: uint8 [N, C, S, S].
        batch: Rows of the step.
        mixing: Names the partners.
        config: The run's configuration.
        runtime: Device, precision and ranks.
        generator: Source of every draw, on the runtime's device.
    """
    options, total = config.ruc, len(batch.rows)
    pixels = torch.from_numpy(images[batch.rows]).to(runtime.device)
    size = config.data.image_size or pixels.shape[-1]
    weak, dtype = weak_config(config.views, options.weak_crop), runtime.compute_dtype
    share = runtime.ranks.share(total)
    own = torch.arange(share.start, share.stop)
    both = torch.cat([own, own + total])
    # A view is drawn once, whether it is this rank's, a partner, or both.
    needed, place = torch.unique(torch.cat([both, mixing.partners[both]]), return_inverse=True)
    views = random_views(
        pixels[needed % total], size, weak, generator, dtype, Among(needed, 2 * total)
    )
    first, second, partners = torch.split(views[place], [len(own), len(own), len(both)])
    clean = own[own < batch.num_clean]
    strong = first[:0]
    if options.label_smoothing is not None:
        among = Among(clean, total)
        strong = strong_views(
            *(pixels[clean], size, weak, options.operations, options.cutout),
            *(generator, dtype, among),
        )
    original = evaluation_view(pixels[clean], size).to(dtype)
    return BatchViews(first, second, partners, original, strong)


def _rows(
    members: Tensor, batch_size: int, steps: int, generator: torch.Generator
) -> NDArray[np.int64]:
    """Members of a set for every step [steps, at most batch_size]."""
    count = len(members)
    if count == 0:
        return np.empty((steps, 0), dtype=np.int64)
    length = min(batch_size, count)
    rounds = -(-steps * length // count)
    orders = [torch.randperm(count, generator=generator) for _ in range(rounds)]
    rows: NDArray[np.int64] = members[torch.cat(orders)[: steps * length]].view(steps, -1).numpy()
    return rows
