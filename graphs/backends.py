"""Who looks for candidate neighbours: FAISS, or a stand-in behind the same signature.

Every backend takes rows x [N, D] (float32, C-contiguous, finite) and returns int64 [N, m]: for each
row the m rows that are nearest in float32 arithmetic, the row itself among them or not. Distances
are recomputed by `graphs.refine`, so that every backend leads to the same neighbours.
"""

from collections.abc import Callable

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

Candidates = Callable[[NDArray[np.float32], int], NDArray[np.int64]]


def faiss_has_gpu() -> bool:
    """Whether this FAISS is a GPU build and sees a GPU."""
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


def faiss_cpu(x: NDArray[np.float32], m: int) -> NDArray[np.int64]:
    """One exact search on the CPU; FAISS works through it in blocks of its own."""
    _, indices = faiss.knn(x, x, m)
    return np.asarray(indices, dtype=np.int64)


def faiss_gpu(x: NDArray[np.float32], m: int) -> NDArray[np.int64]:
    """One exact search on the first GPU. Not yet measured on a GPU."""
    _, indices = faiss.knn_gpu(faiss.StandardGpuResources(), x, x, m)
    return np.asarray(indices, dtype=np.int64)


def sklearn_brute(x: NDArray[np.float32], m: int) -> NDArray[np.int64]:
    """scikit-learn's brute force."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=m, algorithm="brute").fit(x)
    return np.asarray(search.kneighbors(x, return_distance=False), dtype=np.int64)


def torch_cluster_knn(x: NDArray[np.float32], m: int) -> NDArray[np.int64]:
    """torch-cluster's search, an optional extra."""
    try:
        from torch_cluster import knn
    except ImportError as error:
        raise ImportError(
            "backend 'torch_cluster' needs the package torch-cluster, which is not installed: "
            "pip install --no-build-isolation torch-cluster, or use backend='faiss'"
        ) from error
    rows = torch.from_numpy(x)
    pairs = knn(rows, rows, m)  # [2, N * m]: query, found
    return np.asarray(pairs[1].view(len(x), m).numpy(), dtype=np.int64)
