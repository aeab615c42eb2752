"""What do k-means on features, the cluster head and M-GCN reach on CIFAR-10 images?

Command: python -m benchmarks.cifar10 --data FOLDER_OR_ZIP [--images N] [--seeds N]
         [-- OPTIONS OF `iciclegcn run`]
Data: a folder or zip of {train,test}/<class>/<image>; without --images all of it, otherwise that
many drawn once with a fixed seed. `without GCNs` is the cluster head of stage 1 of the same runs.
k-NN accuracy: 20 neighbours by cosine, leave-one-out, on the stage-1 features.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.clustering_runs import Scores, print_table, run_once, summarize
from benchmarks.common import write_result
from iciclegcn.config import DataConfig
from iciclegcn.data.labels import read_labels
from iciclegcn.data.sources import open_source
from iciclegcn.evaluation.probes import knn_accuracy

ROWS = {
    "kmeans_features": "k-means on stage-1 features",
    "pretrained_code": "without GCNs (stage-1 cluster head)",
    "output": "IcicleGCN",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder or zip of the images")
    parser.add_argument("--images", type=int, help="draw this many; all by default")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, help="keep the run folders here, or continue them")
    parser.add_argument("--name", default="cifar10", help="name of the result file")
    parser.add_argument("--out", type=Path, help="another file for the JSON")
    parser.add_argument("options", nargs="*", help="passed on to `iciclegcn run`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        runs = options.runs or Path(temporary)
        runs.mkdir(parents=True, exist_ok=True)
        data, labels, y = draw(options.data, options.images, runs)
        scores: list[Scores] = []
        seconds: list[float] = []
        probes: list[float] = []
        for seed in range(options.seeds):
            arguments = [data, "--num-clusters", "10", "--seed", str(seed), *labels]
            out = runs / f"seed-{seed}"
            found, duration = run_once([*arguments, *options.options], out)
            scores.append(found)
            manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
            seconds.append(round(duration, 1))
            probes.append(round(knn_accuracy(np.load(out / "features.npy"), y), 4))
            summary = summarize(scores, list(ROWS))
            payload = {
                "question": __doc__.splitlines()[0],
                "images": len(y),
                "options": options.options,
                "seconds_of_last_process": seconds,
                "stages_of_last_run": manifest["stages"],
                "knn_accuracy": probes,
                "rows": summary,
            }
            write_result(options.name, payload, options.out)
            print(f"\nseeds 0 to {seed}: {seconds} s, k-NN accuracy {probes}", flush=True)
            print_table(summary, ROWS)


def draw(source: str, images: int | None, folder: Path) -> tuple[str, list[str], np.ndarray]:
    """The data argument, its label options and the truth, all of it or a fixed sample."""
    config = DataConfig(source, labels_from_folders=True)
    opened = open_source(config)
    labels = read_labels(opened, config, np.arange(len(opened.paths)))
    if labels is None:
        raise ValueError(f"'--data' must hold one folder a class (got {source})")
    if images is None:
        return source, ["--labels-from-folders"], labels.y
    rows = np.sort(np.random.default_rng(0).choice(len(labels.y), images, replace=False))
    arrays, truth = folder / f"images-{images}.npy", folder / f"labels-{images}.csv"
    if not arrays.exists():
        pixels = np.stack([opened.read(int(row), 32, 3) for row in rows])  # [N, C, S, S]
        np.save(arrays, pixels.transpose(0, 2, 3, 1))
    names = open_source(DataConfig(str(arrays))).paths
    lines = [f"{name},{labels.y[row]}" for name, row in zip(names, rows, strict=True)]
    truth.write_text("path,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return str(arrays), ["--labels", str(truth)], labels.y[rows]


if __name__ == "__main__":
    main()
