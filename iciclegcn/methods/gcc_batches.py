"""The batches of GCC: images, both views of them, and their neighbours, augmented alike."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.data.views import Among, random_views
from iciclegcn.methods.gcc_graph import NeighborGraph
from iciclegcn.runtime import Runtime


class GCCBatch(NamedTuple):
    """One step's images.

    Attributes:
        rows: Their numbers [B] on all ranks, ascending; extra images come last.
        views: This rank's share, one block of n views after the other [V * n, C, S, S]: first
            views, second views; with a graph also the M first neighbours' in turn, and the
            partners'.
        weight: What the M neighbours of all images weigh [B, M]; None: there is no graph yet.
    """

    rows: Tensor
    views: Tensor
    weight: Tensor | None


class ImagePool(NamedTuple):
    """The images to cluster, and those that only teach until there is a graph.

    Attributes:
        images: uint8 [N, C, S, S], may be memory-mapped.
        extra: uint8 [E, C, S, S], numbered from N on; None: there are none.
    """

    images: NDArray[np.uint8]
    extra: NDArray[np.uint8] | None = None

    def numbers(self, graph: bool) -> int:
        """How many images an epoch takes."""
        return len(self.images) + (0 if graph or self.extra is None else len(self.extra))

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pixels [n, C, S, S] of some images."""
        if self.extra is None:
            return self.images[rows]
        own = rows < len(self.images)
        pixels = np.empty((len(rows), *self.images.shape[1:]), np.uint8)
        pixels[own] = self.images[rows[own]]
        pixels[~own] = self.extra[rows[~own] - len(self.images)]
        return pixels


def epoch_steps(num_images: int, batch_size: int) -> int:
    """Steps of an epoch in which every image has a part."""
    return -(-num_images // batch_size)


def epoch_batches(
    pool: ImagePool, graph: NeighborGraph | None, config: Config, runtime: Runtime, epoch: int
) -> Iterator[GCCBatch]:
    """All images in random order, in batches whose sizes differ by at most 1.

    Every draw derives from seed and epoch, for the whole batch: any number of ranks, and a
    training that was interrupted, see the same views.

    Args:
        pool: The images.
        graph: Their neighbours; None: there is no graph yet.
        config: The run's configuration.
        runtime: Seed, device, precision and ranks.
        epoch: Number of the epoch.
    """
    total = pool.numbers(graph is not None)
    order = torch.randperm(total, generator=runtime.cpu_generator("gcc order", epoch))
    partners = runtime.cpu_generator("gcc partners", epoch)
    generator = runtime.generator("gcc views", epoch)
    for part in order.tensor_split(epoch_steps(total, config.gcc.batch_size)):
        rows, _ = part.sort()  # files are read forwards
        blocks, weight = [rows, rows], None
        if graph is not None:
            near = graph.lists[rows, : config.gcc.contrast_neighbors]  # [B, M]
            blocks += [*near.unbind(1), graph.partners(rows, partners)]
            weight = graph.weight[near].to(runtime.device)
        views = _views(pool, torch.stack(blocks), config, runtime, generator)
        yield GCCBatch(rows, views, weight)


def _views(
    pool: ImagePool, blocks: Tensor, config: Config, runtime: Runtime, generator: torch.Generator
) -> Tensor:
    """Random views [V * n, C, S, S] of this rank's share of image numbers [V, B]."""
    share = runtime.ranks.share(blocks.size(1))
    pixels = pool.take(blocks[:, share].flatten().numpy())
    images = torch.from_numpy(pixels).to(runtime.device)
    among = None
    if runtime.ranks.size > 1:
        places = torch.arange(blocks.numel()).view_as(blocks)
        among = Among(places[:, share].flatten(), blocks.numel())
    size = config.data.image_size or images.shape[-1]
    return random_views(images, size, config.views, generator, runtime.compute_dtype, among)
