"""How long, and in how much memory, do two graphs (k = 1, 10) take from 13,000 x 512 features?

`graphs` (one exact search, sliced) against a dense distance matrix built and partitioned once per
k, in the two forms people write:

- ``published``: the steps of the published code: float64 features, scikit-learn's pairwise
  distances, their heat kernel, a partition of each row. Its text files and Python loops over edges
  are left out.
- ``lean``: the least a dense matrix can cost: float64 squared distances computed in place, no
  kernel, one partition. (In float32 its edges are wrong: cancellation swaps near neighbours.)

Both finish with scipy.sparse: union, self-loops, symmetric normalisation. All three must give the
same edges and weights, or the benchmark stops.

Command: python -m benchmarks.graph_build

Three more questions, on planted clusters that `benchmarks.scaling_stages` writes to the disk:

- ``--compare``: seconds, memory and recall of ours against scikit-learn, pynndescent, hnswlib, bare
  FAISS and the dense construction, k = 10, 5,000 to 1,000,000 rows, each up to where it can go; one
  case a process, one repeat; goes on where it was stopped; writes a plot. Needs ``pip install
  '.[searches]'``; what is not installed is left out with its reason.
- ``--million``: ours alone at 1,000,000 x 512 from a mapped file, in the same way.
- ``--against-faiss``: ours, exact, against the bare FAISS calls at 60,000 x 512.

Machine: two cores, no GPU; the result file names processor and versions.
n: 5 repeats after a discarded warm-up, in turns, in one process. Peak memory is that of one build,
features included, above what the imports take; one fresh process a side.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from benchmarks import graph_sizes
from benchmarks.common import RESULTS, write_result
from benchmarks.graph_searches import SIDES as SEARCHES
from benchmarks.memory import status_kib
from graphs import ScaleGraph, knn, scale_graphs

SCALES = (1, 10)
Adjacency: TypeAlias = scipy.sparse.csr_array


def make_features(num_nodes: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """Ten overlapping Gaussian clusters; nearest squared distances around 80 at 512 dimensions."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((10, dim))
    noise = rng.standard_normal((num_nodes, dim))
    return (0.3 * (centers[rng.integers(0, 10, num_nodes)] + noise)).astype(np.float32)


def one_search(x: NDArray[np.float32]) -> list[ScaleGraph]:
    """This library: neighbours once, one graph a scale."""
    return scale_graphs(knn(x, max(SCALES)), SCALES)


def published(x: NDArray[np.float32]) -> list[Adjacency]:
    """The published steps, once per k."""
    built = []
    for k in SCALES:
        similarity = -0.5 * pairwise_distances(x.astype(np.float64)) ** 2
        similarity = np.exp(similarity)
        nearest = [np.argpartition(row, -(k + 1))[-(k + 1) :] for row in similarity]
        built.append(_normalised(np.stack(nearest)))
    return built


def lean(x: NDArray[np.float32]) -> list[Adjacency]:
    """A dense matrix at its cheapest, once per k."""
    built = []
    for k in SCALES:
        rows = x.astype(np.float64)
        squares = np.einsum("nd,nd->n", rows, rows)
        distances = rows @ rows.T
        distances *= -2
        distances += squares
        distances += squares[:, None]
        built.append(_normalised(np.argpartition(distances, k, axis=1)[:, : k + 1]))
    return built


def _normalised(nearest: NDArray[np.int64]) -> Adjacency:
    """Neighbours [N, k + 1], the row itself among them, to a normalised union graph."""
    num_nodes, width = nearest.shape
    row = np.repeat(np.arange(num_nodes), width)
    ones = np.ones(row.size)
    directed = Adjacency((ones, (row, nearest.ravel())), shape=(num_nodes, num_nodes))
    adjacency = directed.maximum(directed.T)
    adjacency.setdiag(1.0)
    scale = scipy.sparse.diags_array(1 / np.sqrt(adjacency.sum(axis=1)))
    return Adjacency(scale @ adjacency @ scale)


SIDES: dict[str, Callable[[NDArray[np.float32]], Sequence[ScaleGraph | Adjacency]]] = {
    "one_search": one_search,
    "published": published,
    "lean": lean,
}


def verify(
    expected: Sequence[ScaleGraph], found: Sequence[ScaleGraph | Adjacency], side: str
) -> None:
    """Compare edges and weights of two sides.

    Raises:
        ValueError: If they differ.
    """
    for k, left, right in zip(SCALES, expected, found, strict=True):
        index, weight = _edges(right)
        same = np.array_equal(left.edge_index.numpy(), index)
        if not same or not np.allclose(left.edge_weight.numpy(), weight, rtol=1e-6, atol=0):
            raise ValueError(
                f"both sides must build the same graph ({side} differs at k = {k}: "
                f"{left.edge_index.shape[1]} and {index.shape[1]} edges)"
            )


def _edges(graph: ScaleGraph | Adjacency) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    if isinstance(graph, ScaleGraph):
        return graph.edge_index.numpy(), graph.edge_weight.numpy()
    coordinates = graph.tocoo()
    order = np.lexsort((coordinates.col, coordinates.row))
    index = np.stack([coordinates.row, coordinates.col]).astype(np.int64)
    return index[:, order], coordinates.data[order]


def time_sides(x: NDArray[np.float32], repeats: int) -> tuple[dict[str, list[float]], list[int]]:
    """Seconds of every repeat of each side, in turns, and the edges all sides agree on."""
    reference = one_search(x)
    for name, build in SIDES.items():
        verify(reference, build(x), name)  # The warm-up.
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(repeats):
        for name, build in SIDES.items():
            start = time.perf_counter()
            build(x)
            seconds[name].append(time.perf_counter() - start)
    return seconds, [graph.edge_index.shape[1] for graph in reference]


def peak_mib(side: str, num_nodes: int, dim: int) -> float:
    """Peak memory of one build above the imports', measured in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.graph_build", "--measure-memory", side]
    command += ["--num-nodes", str(num_nodes), "--dim", str(dim)]
    finished = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).resolve().parents[1]
    )
    return float(json.loads(finished.stdout))


def _measure_memory(side: str, num_nodes: int, dim: int) -> float:
    # Not getrusage: its peak is inherited from the parent across exec. This one is the process's
    # own, and writing 5 sets it back to what the imports keep.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    kept = status_kib("VmHWM")
    SIDES[side](make_features(num_nodes, dim))
    return (status_kib("VmHWM") - kept) / 1024


def run(num_nodes: int, dim: int, repeats: int, out: Path | None) -> None:
    """Measure every side, write the result, print the table."""
    seconds, edges = time_sides(make_features(num_nodes, dim), repeats)
    memory = {name: peak_mib(name, num_nodes, dim) for name in SIDES}
    means = {name: statistics.fmean(values) for name, values in seconds.items()}
    sides = {
        name: {
            "seconds": values,
            "seconds_mean": means[name],
            "seconds_min": min(values),
            "seconds_std": statistics.stdev(values) if len(values) > 1 else None,
            "peak_mib": memory[name],
            "times_slower_than_one_search": means[name] / means["one_search"],
            "times_the_memory_of_one_search": memory[name] / memory["one_search"],
        }
        for name, values in seconds.items()
    }
    payload = {
        "question": (__doc__ or "").splitlines()[0],
        "command": f"python -m benchmarks.graph_build --num-nodes {num_nodes} --dim {dim} "
        f"--repeats {repeats}",
        "num_nodes": num_nodes,
        "dim": dim,
        "scales": list(SCALES),
        "edges": edges,
        "same_edges": True,
        "sides": sides,
    }
    path = write_result("graph_build", payload, out)
    print(f"{num_nodes:,} x {dim}, k = {SCALES}, edges {edges}, {repeats} repeats: {path.name}")
    print(f"{'side':<12}{'seconds':>16}{'x':>8}{'peak MiB':>12}{'x':>8}")
    for name, side in sides.items():
        spread = f"{means[name]:.2f} ± {side['seconds_std'] or 0:.2f}"
        slower = side["times_slower_than_one_search"]
        larger = side["times_the_memory_of_one_search"]
        print(f"{name:<12}{spread:>16}{slower:>8.1f}{memory[name]:>12.0f}{larger:>8.1f}")


def compare(arguments: argparse.Namespace) -> None:
    """Measure all sides at all sizes, or ours at a million rows, or at the sizes given."""
    million = arguments.million
    usual = (1_000_000,) if million else graph_sizes.SIZES
    cases = graph_sizes.run(
        "graph_million" if million else "graph_sizes",
        arguments.sizes or usual,
        ("ours",) if million else arguments.sides,
        arguments.features,
        (arguments.limit_seconds, arguments.limit_gib),
        arguments.out,
    )
    if not million:
        path = arguments.out or RESULTS / "graph_sizes.json"
        graph_sizes.plot(cases, path.with_suffix(".png"))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num-nodes", type=int, default=13_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="result file (benchmarks/results by default)")
    parser.add_argument("--measure-memory", choices=list(SIDES), help=argparse.SUPPRESS)
    question = parser.add_mutually_exclusive_group()
    question.add_argument("--compare", action="store_true", help="every library at every size")
    question.add_argument("--million", action="store_true", help="ours at 1,000,000 x 512")
    question.add_argument("--against-faiss", action="store_true", help="ours and bare FAISS, exact")
    parser.add_argument("--sizes", type=int, nargs="+", help="other numbers of rows than these")
    parser.add_argument("--sides", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    parser.add_argument("--features", type=Path, default=Path("runs/planted"), help="made once")
    parser.add_argument("--limit-seconds", type=float, default=3600.0)
    parser.add_argument("--limit-gib", type=float, default=16.0)
    arguments = parser.parse_args()
    if arguments.compare or arguments.million:
        compare(arguments)
    elif arguments.against_faiss:
        graph_sizes.against_faiss(
            arguments.features,
            (arguments.sizes or [60_000])[0],
            min(3, arguments.repeats),
            arguments.out,
        )
    elif arguments.measure_memory:
        peak = _measure_memory(arguments.measure_memory, arguments.num_nodes, arguments.dim)
        print(json.dumps(peak))
    else:
        run(arguments.num_nodes, arguments.dim, arguments.repeats, arguments.out)


if __name__ == "__main__":
    main()
