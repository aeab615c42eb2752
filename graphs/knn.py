"""Exact k nearest neighbours of feature rows, from one search."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphs.backends import (
    Candidates,
    faiss_cpu,
    faiss_gpu,
    faiss_has_gpu,
    sklearn_brute,
    torch_cluster_knn,
)
from graphs.refine import refine

# Candidates beyond the k-th show how far the search's rounding is from mattering.
_SPARE = 4


class Neighbors(NamedTuple):
    """The k nearest rows of each row, itself excluded.

    Attributes:
        indices: Row numbers int64 [N, k], nearest first; ties go to the lower number.
        squared_distances: Squared distances float32 [N, k]; 2 - 2cos for the cosine metric.
    """

    indices: NDArray[np.int64]
    squared_distances: NDArray[np.float32]


def knn(
    x: Tensor | NDArray[np.floating],
    k: int,
    *,
    metric: str = "l2",
    backend: str = "faiss",
    device: str = "auto",
) -> Neighbors:
    """Find each row's k nearest other rows, exactly, with one search.

    Scales of several k are slices of one call with the largest k. The search runs in float32 and
    in blocks; its candidates are then measured by float64 differences, and rows that rounding
    could have spoilt are searched again in float64.

    Args:
        x: Features [N, D], any floating dtype, array or tensor on any device; taken as float32.
        k: Neighbours of each row, in [1, N - 1].
        metric: ``l2``, or ``cosine``: squared L2 between rows scaled to norm 1.
        backend: ``faiss``, ``sklearn`` or ``torch_cluster`` (an optional extra); same result.
        device: Where FAISS searches: ``auto`` (a GPU when FAISS has one), ``cpu`` or ``gpu``. The
            GPU path is not yet measured on a GPU.

    Returns:
        The neighbours, as numpy arrays; the row itself is never among them.

    Raises:
        ValueError: If x is not a finite floating matrix, k is out of range, a row is zero under
            the cosine metric, an option is unknown, or a GPU is asked for and absent.
        ImportError: If the backend's package is not installed.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 8: the heat kernel ranks as the squared distance does.
    """
    search = _backend(backend, device)
    rows = _matrix(x)
    num_nodes = len(rows)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k < num_nodes:
        raise ValueError(f"'k' must be in [1, {num_nodes - 1}] for {num_nodes} nodes (got {k})")
    if metric == "cosine":
        rows = _unit_rows(rows)
    elif metric != "l2":
        raise ValueError(f"'metric' must be l2 or cosine (got {metric!r})")
    # Distances ignore a shift and follow a scale: small norms keep the search's rounding small,
    # and a power of two rounds nothing.
    largest = float(np.abs(rows).max(initial=0.0))
    exponent = int(np.frexp(largest)[1])
    rows = np.ldexp(rows, -exponent)
    centered = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    candidates = search(centered, min(k + 1 + _SPARE, num_nodes))
    norms = np.sqrt(np.einsum("nd,nd->n", centered, centered, dtype=np.float64))
    indices, distances = refine(rows, candidates, norms, int(k))
    with np.errstate(over="ignore"):
        squared = np.ldexp(distances, 2 * exponent).astype(np.float32)
    if not np.isfinite(squared).all():
        raise ValueError(
            f"squared distances of 'x' must fit float32 (largest entry {largest:.3g}); scale 'x'"
        )
    return Neighbors(indices, squared)


def _backend(backend: str, device: str) -> Candidates:
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


def _matrix(x: Tensor | NDArray[np.floating]) -> NDArray[np.float32]:
    """x as a contiguous float32 matrix of finite values."""
    if isinstance(x, Tensor):
        # numpy has no bfloat16.
        x = x.detach().to("cpu", torch.float64 if x.dtype == torch.float64 else torch.float32)
        x = x.numpy()
    if x.ndim != 2 or x.shape[1] == 0:
        raise ValueError(f"'x' must be a matrix [N, D] (got shape {tuple(x.shape)})")
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(x, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad) > 0:
        raise ValueError(
            f"'x' must be finite in float32 (NaN or infinite in {len(bad)} of {len(rows)} rows: "
            f"{_listed(bad)}); mend or drop them"
        )
    return rows


def _unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = np.abs(rows).max(axis=1, keepdims=True)
    zero = np.flatnonzero(largest == 0)
    if len(zero) > 0:
        raise ValueError(
            f"'metric' cosine needs rows with a direction (zero in {len(zero)} of {len(rows)} "
            f"rows: {_listed(zero)}); drop them or use metric='l2'"
        )
    scaled = rows / largest
    norms = np.sqrt(np.einsum("nd,nd->n", scaled, scaled, dtype=np.float64))
    return np.asarray(scaled / norms[:, None], dtype=np.float32)


def _listed(rows: NDArray[np.int64], most: int = 10) -> str:
    shown = ", ".join(str(row) for row in rows[:most])
    return shown if len(rows) <= most else f"{shown}, ..."
