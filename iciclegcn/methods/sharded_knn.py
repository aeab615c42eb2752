"""k nearest neighbours with the queries shared: each rank looks up some rows among all."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from graphs import NeighborIndex, Neighbors
from graphs.plan import free_bytes
from iciclegcn.distributed.ranks import Ranks


def sharded_neighbors(
    index: NeighborIndex, x: NDArray[np.floating], k: int, ranks: Ranks
) -> Neighbors:
    """The k nearest other rows of each row, with the other ranks in `join_neighbors`; rank 0 only.

    Args:
        index: Of all rows; saved where the others load it.
        x: The rows indexed [N, D], may be memory-mapped.
        k: Neighbours of each row, in [1, N - 1].
        ranks: Who shares the rows.

    Returns:
        What ``index.neighbors(k)`` returns; with an approximate index it may name other rows in
        places, since the row itself takes one of the candidates' places.
    """
    own = _share(index, x, k, ranks)
    indices, squared = (np.empty((len(x), k), part.dtype) for part in own)
    start = len(own[0])  # rank 0 has the first rows
    indices[:start], squared[:start] = own
    for rank, length in enumerate(ranks.lengths(len(x))[1:], start=1):
        for array in (indices, squared):
            ranks.receive(torch.from_numpy(array[start : start + length]), rank)
        start += length
    return Neighbors(indices, squared, index.report)


def join_neighbors(folder: Path, x: NDArray[np.floating], k: int, ranks: Ranks) -> None:
    """Look up this rank's rows for rank 0, which is in `sharded_neighbors`.

    Args:
        folder: Where rank 0 saved the index.
        x: The rows indexed.
        k: Neighbours of each row.
        ranks: Who shares the rows.

    Raises:
        ValueError: If the index is absent, damaged, or of other rows.
    """
    memory_gib = free_bytes() / 2 / ranks.local_size / 2**30
    index = NeighborIndex.load(folder, x, memory_gib=memory_gib)
    for part in _share(index, x, k, ranks):
        ranks.send(torch.from_numpy(part))


def _share(
    index: NeighborIndex, x: NDArray[np.floating], k: int, ranks: Ranks
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Neighbours [n, k] and squared distances [n, k] of this rank's rows."""
    share = ranks.share(len(x))
    found = index.search(x[share], k + 1)
    # The row itself is a query like any other here: it finds itself, unless duplicates of lower
    # number fill its list, which is then one too long.
    dropped = found.indices == np.arange(share.start, share.stop)[:, None]
    dropped[~dropped.any(axis=1), -1] = True
    kept = ~dropped
    return found.indices[kept].reshape(-1, k), found.squared_distances[kept].reshape(-1, k)
