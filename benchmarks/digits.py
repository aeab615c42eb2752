"""How well, and how fast, does a bare `iciclegcn run` cluster the handwritten digits?

Command: python -m benchmarks.digits [--seeds N] [--runs DIR]
n: 5 seeds in each precision, every run a process of its own from nothing to metrics; k-means on
the pixels beside it. `without GCNs` is the cluster head of stage 1 of the same runs. fp32 and the
automatic precision answer whether speed costs quality. An earlier --runs folder is continued.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from benchmarks.clustering_runs import Scores, print_table, run_once, summarize
from benchmarks.common import write_result
from iciclegcn.evaluation.metrics import clustering_metrics

ROWS = {
    "kmeans_pixels": "k-means on pixels",
    "kmeans_features": "k-means on stage-1 features",
    "pretrained_code": "without GCNs (stage-1 cluster head)",
    "output": "IcicleGCN",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, help="keep the run folders here")
    parser.add_argument("--out", type=Path, help="another file for the JSON")
    options = parser.parse_args()
    pixels, y = load_digits(return_X_y=True)
    with tempfile.TemporaryDirectory() as temporary:
        runs = options.runs or Path(temporary)
        payload: dict[str, object] = {"question": __doc__.splitlines()[0]}
        for precision in ("auto", "fp32"):
            scores: list[Scores] = []
            seconds: list[float] = []
            for seed in range(options.seeds):
                arguments = ["digits", "--seed", str(seed), "--precision", precision]
                found, duration = run_once(arguments, runs / f"{precision}-{seed}")
                kmeans = KMeans(10, n_init=20, random_state=seed).fit_predict(pixels)
                found["kmeans_pixels"] = clustering_metrics(y, kmeans)
                scores.append(found)
                seconds.append(round(duration, 1))
            summary = summarize(scores, list(ROWS))
            payload[precision] = {"seconds": seconds, "rows": summary}
            write_result("digits", payload, options.out)
            print(f"\nprecision {precision}: {statistics.mean(seconds):.0f} s a run {seconds}")
            print_table(summary, ROWS)


if __name__ == "__main__":
    main()
