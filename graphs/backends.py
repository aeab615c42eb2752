"""Who looks for the nearest rows exactly: FAISS, or a stand-in behind the same signature.

Every backend takes queries [Q, D] and base rows [N, D] (float32, C-contiguous, finite) and returns
squared distances and int64 row numbers [Q, m]: for each query the m base rows that are nearest in
float32 arithmetic. `graphs.refine` measures them anew, so that every backend leads to the same
neighbours.
"""

from collections.abc import Callable
from typing import TypeAlias

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

Distances: TypeAlias = NDArray[np.floating]
Found: TypeAlias = tuple[Distances, NDArray[np.int64]]
Backend: TypeAlias = Callable[[NDArray[np.float32], NDArray[np.float32], int], Found]

# A tenth faster than FAISS's own 4096: the products of a block stay in the processor's cache.
_QUERIES_AT_ONCE = 1024


def choose_backend(backend: str, device: str) -> Backend:
    """The search of a name.

    Args:
        backend: ``faiss``, ``sklearn`` or ``torch_cluster``.
        device: ``auto`` (a GPU when FAISS has one), ``cpu`` or ``gpu``.

    Raises:
        ValueError: If a name is unknown, or a GPU is asked for and absent.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise ValueError(f"'device' must be auto, cpu or gpu (got {device!r})")
    if device == "gpu" and not (backend == "faiss" and faiss_has_gpu()):
        raise ValueError(
            f"'device' gpu needs a GPU build of FAISS that sees a GPU (backend {backend!r}, "
            f"FAISS GPU: {faiss_has_gpu()}); use auto or cpu"
        )
    backends = {
        "faiss": faiss_gpu if device != "cpu" and faiss_has_gpu() else faiss_cpu,
        "sklearn": sklearn_brute,
        "torch_cluster": torch_cluster_knn,
    }
    if backend not in backends:
        raise ValueError(f"'backend' must be one of {', '.join(backends)} (got {backend!r})")
    return backends[backend]


def faiss_has_gpu() -> bool:
    """Whether this FAISS is a GPU build and sees a GPU."""
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


def faiss_cpu(queries: NDArray[np.float32], base: NDArray[np.float32], m: int) -> Found:
    """One exact search on the CPU; FAISS works through it in blocks."""
    before = faiss.cvar.distance_compute_blas_query_bs
    faiss.cvar.distance_compute_blas_query_bs = _QUERIES_AT_ONCE
    try:
        distances, indices = faiss.knn(queries, base, m)
    finally:
        faiss.cvar.distance_compute_blas_query_bs = before
    return distances, np.asarray(indices, dtype=np.int64)


def faiss_gpu(queries: NDArray[np.float32], base: NDArray[np.float32], m: int) -> Found:
    """One exact search on the first GPU. Not yet measured on a GPU."""
    distances, indices = faiss.knn_gpu(faiss.StandardGpuResources(), queries, base, m)
    return distances, np.asarray(indices, dtype=np.int64)


def sklearn_brute(queries: NDArray[np.float32], base: NDArray[np.float32], m: int) -> Found:
    """scikit-learn's brute force."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=m, algorithm="brute").fit(base)
    distances, indices = search.kneighbors(queries)
    return np.square(distances), np.asarray(indices, dtype=np.int64)


def torch_cluster_knn(queries: NDArray[np.float32], base: NDArray[np.float32], m: int) -> Found:
    """torch-cluster's search, an optional extra."""
    try:
        from torch_cluster import knn
    except ImportError as error:
        raise ImportError(
            "backend 'torch_cluster' needs the package torch-cluster, which is not installed: "
            "pip install --no-build-isolation torch-cluster, or use backend='faiss'"
        ) from error
    left, right = torch.from_numpy(queries), torch.from_numpy(base)
    found = knn(right, left, m)[1].view(len(left), m)  # from [2, Q * m]: query, found
    distances = torch.stack(
        [(right[column] - left).square().sum(1) for column in found.unbind(1)], dim=1
    )
    return distances.numpy(), np.asarray(found.numpy(), dtype=np.int64)
