"""The searches that `benchmarks.graph_build` compares, each in a process of its own.

Every search gets the same rows and the same k and leaves row numbers [N, k], the row itself
excluded. The command prints seconds, peak memory above the imports' and recall as JSON; a search of
the first rows, which warms up, is discarded.

Command: python -m benchmarks.graph_searches SIDE FEATURES.npy K
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.memory import PeakMemory

_SAMPLE_ROWS = 1000
_WARM_UP_ROWS = 2000
_BLOCK_ROWS = 100_000


Result: TypeAlias = tuple[NDArray[np.integer], dict[str, Any]]


class Side(NamedTuple):
    """One library.

    Attributes:
        search: Features file and k to neighbours [N, k] and facts about the search.
        power: Seconds grow about as N to this power.
    """

    search: Callable[[Path, int], Result]
    power: float


def ours(path: Path, k: int, index: str = "auto") -> Result:
    """This library, on the mapped file."""
    from graphs import knn

    found = knn(path, k, index=index)
    return found.indices, {} if found.report is None else found.report._asdict()


def ours_approximate(path: Path, k: int) -> Result:
    """The same with the index that ``auto`` takes beyond the affordable, at every size."""
    return ours(path, k, "ivf_pq")


def faiss_flat(path: Path, k: int) -> Result:
    """Bare FAISS, exact."""
    x = np.load(path)
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    return without_self(index.search(x, k + 1)[1]), {}


def sklearn_brute(path: Path, k: int) -> Result:
    """scikit-learn, exact."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(np.load(path))
    return np.asarray(search.kneighbors(return_distance=False)), {}


def pynndescent(path: Path, k: int) -> Result:
    """Nearest-neighbour descent at its defaults."""
    from pynndescent import NNDescent

    graph = NNDescent(np.load(path), n_neighbors=k + 1, random_state=0).neighbor_graph
    return without_self(graph[0]), {}


def hnswlib(path: Path, k: int) -> Result:
    """A hierarchical graph with its documentation's settings."""
    import hnswlib as library

    x = np.load(path)
    settings = {"M": 16, "ef_construction": 200}
    index = library.Index(space="l2", dim=x.shape[1])
    index.init_index(max_elements=len(x), random_seed=0, **settings)
    index.add_items(x)
    index.set_ef(100)
    return without_self(index.knn_query(x, k + 1)[0]), {**settings, "ef": 100}


def dense(path: Path, k: int) -> Result:
    """The published construction: all distances in float64, their heat kernel, a partition."""
    from sklearn.metrics import pairwise_distances

    similarity = np.exp(-0.5 * pairwise_distances(np.load(path).astype(np.float64)) ** 2)
    nearest = [np.argpartition(row, -(k + 1))[-(k + 1) :] for row in similarity]
    return without_self(np.stack(nearest)), {}


SIDES = {
    "ours": Side(ours, 2),
    "ours_approximate": Side(ours_approximate, 1.2),
    "faiss_flat": Side(faiss_flat, 2),
    "sklearn": Side(sklearn_brute, 2),
    "pynndescent": Side(pynndescent, 1.2),
    "hnswlib": Side(hnswlib, 1.2),
    "dense": Side(dense, 2),
}


def without_self(found: NDArray[np.integer]) -> NDArray[np.integer]:
    """Neighbours [N, k] of lists [N, k + 1] that hold the row itself, or one too many."""
    own = found == np.arange(len(found))[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(found[~own].reshape(len(found), -1))


def true_neighbors(path: Path, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A sample of row numbers and their exact neighbours, kept beside the features."""
    file = path.with_name(f"sample_{k}.npz")
    if not file.exists():
        x = np.load(path, mmap_mode="r")
        size = min(_SAMPLE_ROWS, len(x))
        sample = np.sort(np.random.default_rng(1).choice(len(x), size, replace=False))
        queries = np.ascontiguousarray(x[sample])
        heap = faiss.ResultHeap(size, k + 1)
        for start in range(0, len(x), _BLOCK_ROWS):
            block = np.ascontiguousarray(x[start : start + _BLOCK_ROWS])
            distances, indices = faiss.knn(queries, block, min(k + 1, len(block)))
            heap.add_result(distances, indices + start)
        heap.finalize()
        found = heap.I[sample[:, None] != heap.I].reshape(size, k)
        partial = file.with_name(f"partial_{file.name}")
        np.savez(partial, sample=sample, found=found)
        partial.replace(file)
    arrays = np.load(file)
    return arrays["sample"], arrays["found"]


def recall(
    indices: NDArray[np.integer], sample: NDArray[np.int64], truth: NDArray[np.int64]
) -> float:
    """Share of the sample's true neighbours found."""
    pairs = zip(indices[sample], truth, strict=True)
    return float(np.mean([np.isin(true, row).mean() for row, true in pairs]))


def measure(side: str, path: Path, k: int) -> dict[str, Any]:
    """Seconds, memory and recall of one search."""
    small = path.with_name(f"warm_up_{side}.npy")
    np.save(small, np.load(path, mmap_mode="r")[:_WARM_UP_ROWS])
    SIDES[side].search(small, k)
    small.unlink()
    with PeakMemory() as memory:
        start = time.perf_counter()
        indices, facts = SIDES[side].search(path, k)
        seconds = time.perf_counter() - start
    sample, truth = true_neighbors(path, k)
    return {
        "seconds": seconds,
        "peak_mib": memory.mib,
        "recall": recall(indices, sample, truth),
        **({"search": facts} if facts else {}),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
