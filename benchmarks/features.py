"""Does IcicleGCN on given features beat k-means and spectral clustering, and what does it cost?

Quality, on the same rows and seeds for every side (ACC, NMI, ARI; mean and std over the seeds):

    python -m benchmarks.features --data digits mnist5k
    python -m benchmarks.features --features x.npy --labels y.npy --name cifar10_frozen

Seconds on planted clusters of 512 features, a process a case:

    python -m benchmarks.features --times 5000 20000 60000 --folder runs/features

k-means is scikit-learn's with 10 restarts, spectral clustering scikit-learn's on the graph of 10
neighbours, IcicleGCN the estimator with its defaults. Each seed draws the start of every side; of
more rows than --rows so many are drawn once, the same for all. A small fit goes before the first,
untimed. Cases in ``benchmarks/results/features.json`` are not repeated.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, write_result
from benchmarks.graph_sizes import features_file, watched
from benchmarks.method_data import open_data, pixel_rows
from iciclegcn.evaluation.metrics import clustering_metrics

FIGURES = ("acc", "nmi", "ari")
SEEDS = 5
MOST_ROWS = 10_000
PLANTED_CLUSTERS = 10
WARM_ROWS = 500
LIMIT_SECONDS, LIMIT_GIB = 1800.0, 16.0

Rows = NDArray[np.floating]
Side = Callable[[Rows, int, int], NDArray[np.integer]]


def kmeans(x: Rows, num_clusters: int, seed: int) -> NDArray[np.integer]:
    """scikit-learn's k-means, the best of 10 restarts: clusters [N]."""
    from sklearn.cluster import KMeans

    labels: NDArray[np.integer] = KMeans(num_clusters, n_init=10, random_state=seed).fit_predict(x)
    return labels


def spectral(x: Rows, num_clusters: int, seed: int) -> NDArray[np.integer]:
    """scikit-learn's spectral clustering of the graph of 10 neighbours: clusters [N]."""
    from sklearn.cluster import SpectralClustering

    estimator = SpectralClustering(
        num_clusters, affinity="nearest_neighbors", n_neighbors=10, random_state=seed
    )
    labels: NDArray[np.integer] = estimator.fit_predict(x)
    return labels


def icicle(x: Rows, num_clusters: int, seed: int) -> NDArray[np.integer]:
    """`iciclegcn.IcicleGCN` with its defaults: clusters [N]."""
    from iciclegcn import IcicleGCN

    labels: NDArray[np.integer] = IcicleGCN(num_clusters, random_state=seed).fit_predict(x)
    return labels


SIDES: dict[str, Side] = {"k-means": kmeans, "spectral": spectral, "IcicleGCN": icicle}


def scored(side: Side, x: Rows, y: NDArray[np.integer], num_clusters: int, seed: int) -> Any:
    """Figures and seconds of one fit."""
    start = time.perf_counter()
    clusters = side(x, num_clusters, seed)
    seconds = time.perf_counter() - start
    figures = clustering_metrics(y, clusters)
    return {**{name: figures[name] for name in FIGURES}, "seconds": round(seconds, 2)}


def summary(fits: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of every figure over seeds."""
    return {
        name: {
            "mean": statistics.fmean(fit[name] for fit in fits),
            "std": statistics.stdev(fit[name] for fit in fits) if len(fits) > 1 else 0.0,
        }
        for name in (*FIGURES, "seconds")
    }


def drawn_rows(num_rows: int, most: int) -> NDArray[np.int64]:
    """All rows, or so many of them: the same in every call."""
    if num_rows <= most:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(0).choice(num_rows, most, replace=False))


def table(quality: dict[str, Any]) -> str:
    """Percent, one row a data set and side."""
    lines = ["| data | | ACC | NMI | ARI | seconds |", "|---|---|---|---|---|---|"]
    for data, sides in quality.items():
        for side, fits in sides.items():
            figures = summary(list(fits.values()))
            cells = [
                f"{100 * figures[name]['mean']:.1f} ± {100 * figures[name]['std']:.1f}"
                for name in FIGURES
            ]
            seconds = f"{figures['seconds']['mean']:.1f}"
            lines.append(f"| {data} | {side} | {' | '.join(cells)} | {seconds} |")
    return "\n".join(lines)


def times_table(times: dict[str, Any]) -> str:
    """Seconds, one row a number of rows and one column a side; a dash for what was not run."""
    sides = list(dict.fromkeys(key.partition("/")[0] for key in times))
    sizes = dict.fromkeys(int(key.partition("/")[2]) for key in times)
    lines = [f"| rows | {' | '.join(sides)} |", "|---" * (len(sides) + 1) + "|"]
    for size in sizes:
        cases = (times.get(f"{side}/{size}", {"stopped": "—"}) for side in sides)
        cells = (case.get("stopped") or f"{case['seconds']:.1f}" for case in cases)
        lines.append(f"| {size:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure_quality(
    name: str, x: Rows, y: NDArray[np.integer], result: dict[str, Any], out: Path
) -> None:
    """Every side over every seed that is not there yet; written after each fit."""
    num_clusters = len(np.unique(y))
    sides = result["quality"].setdefault(name, {})
    warm: set[str] = set()
    for seed in range(SEEDS):
        for side, work in SIDES.items():
            fits = sides.setdefault(side, {})
            if str(seed) not in fits:
                if side not in warm:  # or the first seed's seconds would hold the imports
                    work(x[:WARM_ROWS], num_clusters, 0)
                    warm.add(side)
                fits[str(seed)] = scored(work, x, y, num_clusters, seed)
                save(result, out)
                print(f"{name} {side} seed {seed}: {fits[str(seed)]}", file=sys.stderr)


def measure_times(sizes: list[int], folder: Path, result: dict[str, Any], out: Path) -> None:
    """Seconds of every side at every size, in processes that are stopped when they take long."""
    for num_rows in sizes:
        file = features_file(folder, num_rows)
        for side in SIDES:
            key = f"{side}/{num_rows}"
            if key not in result["times"]:
                command = [sys.executable, "-m", "benchmarks.features", "--case", side, str(file)]
                result["times"][key] = watched(command, LIMIT_SECONDS, LIMIT_GIB)
                save(result, out)
                print(f"{key}: {result['times'][key]}", file=sys.stderr)


def time_case(side: str, file: Path) -> dict[str, float]:
    """Seconds of one fit, after a small one that loads and warms what it uses."""
    x = np.load(file)
    SIDES[side](x[:WARM_ROWS], PLANTED_CLUSTERS, 0)
    start = time.perf_counter()
    SIDES[side](x, PLANTED_CLUSTERS, 0)
    return {"seconds": round(time.perf_counter() - start, 2)}


def read(out: Path) -> dict[str, Any]:
    """What has been measured so far."""
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    return {part: known.get(part, {}) for part in ("quality", "times")}


def save(result: dict[str, Any], out: Path) -> None:
    """Write the figures, and their summaries."""
    means = {
        data: {side: summary(list(fits.values())) for side, fits in sides.items() if fits}
        for data, sides in result["quality"].items()
    }
    question = "IcicleGCN on given features beside k-means and spectral clustering"
    write_result("features", {"question": question, **result, "summary": means}, out)


def main() -> None:
    """Measure what the options ask for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="*", default=[], help="digits, mnist5k: pixels")
    parser.add_argument("--features", type=Path, help="a matrix in a .npy file")
    parser.add_argument("--labels", type=Path, help="its classes in a .npy file")
    parser.add_argument("--name", default="features", help="what that matrix is called")
    parser.add_argument("--rows", type=int, default=MOST_ROWS, help="rows drawn of more")
    parser.add_argument("--times", nargs="*", type=int, default=[], help="rows, such as 5000")
    parser.add_argument("--folder", type=Path, default=Path("runs/features"))
    parser.add_argument("--out", type=Path, default=RESULTS / "features.json")
    parser.add_argument("--case", nargs=2, metavar=("SIDE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(time_case(options.case[0], Path(options.case[1]))))
        return
    result = read(options.out)
    for name in options.data:
        data = open_data(name, options.folder)
        measure_quality(name, pixel_rows(data.images), data.y, result, options.out)
    if options.features:
        x, y = np.load(options.features, mmap_mode="r"), np.load(options.labels)
        rows = drawn_rows(len(x), options.rows)
        measure_quality(options.name, x[rows], y[rows], result, options.out)
    measure_times(options.times, options.folder, result, options.out)
    print(table(result["quality"]))
    if result["times"]:
        print(f"\n{times_table(result['times'])}")


if __name__ == "__main__":
    main()
