"""k nearest neighbours of feature rows, from one search."""

from graphs.neighbor_index import NeighborIndex
from graphs.neighbors import Neighbors
from graphs.rows import Matrix


def knn(
    x: Matrix,
    k: int,
    *,
    metric: str = "l2",
    index: str = "auto",
    backend: str = "faiss",
    device: str = "auto",
    memory_gib: float | None = None,
    target_recall: float = 0.95,
    seed: int = 0,
) -> Neighbors:
    """Find each row's k nearest other rows with one search.

    Scales of several k are slices of one call with the largest k. Candidates are found in float32,
    in blocks, and measured by float64 differences. An exact search then searches again, in float64,
    the rows that rounding could have spoilt; an approximate one those that found fewer than k.

    Args:
        x: Features [N, D]: an array or tensor of any floating dtype on any device, a
            ``np.memmap``, or the path of an .npy file, which is read in blocks and never as a
            whole; taken as float32.
        k: Neighbours of each row, in [1, N - 1].
        metric: ``l2``, or ``cosine``: squared L2 between rows scaled to norm 1.
        index: ``auto``: ``exact`` while N * N * D is at most `graphs.plan.EXACT_WORK` (two minutes
            on two cores), ``ivf_pq`` beyond. Or one of ``exact``, ``ivf_flat`` (cells of whole
            rows), ``ivf_sq8`` (8 bits an entry), ``ivf_pq`` (2 bits an entry, the fastest and the
            smallest), ``hnsw`` (slow to build, quick to search for single rows).
        backend: ``faiss``, ``sklearn`` or ``torch_cluster`` (an optional extra); the last two
            search exactly, with the same result.
        device: Where FAISS searches exactly: ``auto`` (a GPU when FAISS has one), ``cpu`` or
            ``gpu``. The GPU path is not yet measured on a GPU.
        memory_gib: What may be allocated besides x: index, blocks and result, estimated before
            anything is searched; None: half of what is free. Pages of a mapped file belong to the
            system, which takes them back when it needs them.
        target_recall: What an approximate index must reach, measured on 1,000 rows against their
            exact neighbours; the index looks harder until it does.
        seed: Draws the cells and that sample.

    Returns:
        The neighbours, as numpy arrays; the row itself is never among them, its duplicates are.
        Ties go to the lower row number, where the search is exact. ``report`` says how the search
        went.

    Raises:
        ValueError: If x is not a finite floating matrix, k is out of range, a row is zero under
            the cosine metric, an option is unknown, a GPU is asked for and absent, or the index
            does not fit the memory (says what would).
        ImportError: If the backend's package is not installed.

    Warns:
        RecallWarning: If an approximate index stays below ``target_recall``; says what to do.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 8: the heat kernel ranks as the squared distance does.
    """
    return NeighborIndex.build(
        x,
        k,
        metric=metric,
        index=index,
        backend=backend,
        device=device,
        memory_gib=memory_gib,
        target_recall=target_recall,
        seed=seed,
    ).neighbors()
