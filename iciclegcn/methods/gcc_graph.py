"""The graph of GCC: who is near whom among the remembered embeddings."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphs import NeighborIndex, Neighbors, scale_graphs
from graphs.plan import free_bytes
from iciclegcn.config import Config
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.losses.graph_contrastive import node_weights
from iciclegcn.methods.search_warnings import telling
from iciclegcn.monitor import StageMonitor
from iciclegcn.runtime import Runtime


class NeighborGraph(NamedTuple):
    """The neighbours of every image; on the CPU.

    Attributes:
        lists: Image numbers int64 [N, k + 1]: itself, then the nearest.
        weight: What each image weighs as a neighbour, float32 [N].
    """

    lists: Tensor
    weight: Tensor

    def partners(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """One image of the list of each of some images [n], each with the same chance."""
        lists = self.lists[rows]
        chosen = torch.randint(lists.size(1), (len(rows), 1), generator=generator)
        return lists.gather(1, chosen)[:, 0]


def search_graph(
    rows: Tensor | None, config: Config, runtime: Runtime, monitor: StageMonitor
) -> NeighborGraph:
    """The neighbours by inner product, their union, and the weights that follow from it.

    Args:
        rows: What is remembered of every image [N, D], on rank 0; the others bring None.
        config: ``gcc.num_neighbors`` and ``gcc.neighbor_scale``; how to search: ``graph.index``,
            ``graph.target_recall`` and ``graph.memory_gib``.
        runtime: Seed and ranks; every rank calls this and looks up its share of the images.
        monitor: Told where an approximate index finds too few.

    Raises:
        UserError: If ``graph.index`` suits neither the images nor the memory.

    Source:
        GCC (Zhong et al., 2021), Section 3.3.
    """
    ranks, k = runtime.ranks, config.gcc.num_neighbors
    own = None if rows is None else rows.float().cpu().numpy()
    x: NDArray[np.float32] = ranks.broadcast(own)
    with telling(monitor):
        share = _search(x, config, ranks, runtime.numpy_seed("gcc graph"))
    lists = ranks.gather(torch.from_numpy(share).to(runtime.device), len(x)).cpu()
    others = Neighbors(lists[:, 1:].numpy(), np.zeros((len(x), k), np.float32))
    edges = scale_graphs(others, (k,))[0].edge_index  # the union, with every image itself
    degree = torch.bincount(edges[0], minlength=len(x))
    return NeighborGraph(lists, node_weights(degree, config.gcc.neighbor_scale))


def _search(x: NDArray[np.float32], config: Config, ranks: Ranks, seed: int) -> NDArray[np.int64]:
    """Lists [n, k + 1] of this rank's share of the rows [N, D]."""
    options, k = config.graph, config.gcc.num_neighbors
    budget = options.memory_gib
    if budget is None and ranks.size > 1:
        budget = free_bytes() / 2 / ranks.local_size / 2**30
    # |q - b|^2 = |q|^2 + |b|^2 - 2 q.b: one column that lifts all |b| to the longest makes the
    # nearest row the one of the largest inner product.
    lengths = np.einsum("nd,nd->n", x, x)
    lift = np.sqrt(lengths.max() - lengths)
    index = NeighborIndex.build(
        np.column_stack([x, lift]),
        k,
        index=options.index,
        memory_gib=budget,
        target_recall=options.target_recall,
        seed=seed,
    )
    share = ranks.share(len(x))
    numbers = np.arange(share.start, share.stop)
    queries = np.column_stack([x[share], np.zeros(len(numbers), np.float32)])
    found = index.search(queries, k + 1).indices
    # Duplicates and longer rows can come before the image itself, or instead of it.
    dropped = found == numbers[:, None]
    dropped[~dropped.any(axis=1), -1] = True
    return np.column_stack([numbers, found[~dropped].reshape(len(numbers), k)])
