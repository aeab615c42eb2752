"""Do held-out images get the clusters they would have had among the others, and how fast?

Command: python -m benchmarks.new_images --data FOLDER_OR_ZIP [--train N --test N] [--seeds N]
         [--runs DIR] [-- OPTIONS OF `iciclegcn run`]
Data: a folder or zip of .../{train,test}/<class>/<image>; CIFAR-10 has 50,000 and 10,000.
--train and --test draw fewer, with a fixed seed.
Rows, all about the test images: `together`, clustered with the training images in one run;
`predicted` by a run that has seen the training images alone; `nearest`, the cluster of the nearest
training image in that run's features. `acc` matches clusters and classes on the test images,
`acc_matched_before` where the clusters were made: on all images, or on the training images.
Claim: `predicted` is within two points of `together`.
Speed, with seed 0's run: `iciclegcn predict` from start to end; then in one process, loading told
apart: one image, all test images as an array and as PNG files, and many (copies of them).
Runs go on where they were stopped: the same command again.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.clustering_runs import run_once
from benchmarks.common import write_result
from benchmarks.prediction_speed import features_by, speed
from graphs import NeighborIndex
from iciclegcn import Run
from iciclegcn.config import DataConfig
from iciclegcn.data.sources import open_source
from iciclegcn.evaluation.matching import matched_clusters
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.run_folder.artefacts import RunArtefacts

ROWS = {
    "together": "clustered together",
    "predicted": "predicted",
    "nearest": "cluster of the nearest training image",
}
FIGURES = {
    "acc": "ACC",
    "acc_matched_before": "ACC, matched before",
    "nmi": "NMI",
    "ari": "ARI",
}
POINTS = 0.02


class Data(NamedTuple):
    """Training and test images with their truth.

    Attributes:
        folder: Holds train.npy, test.npy and all.npy (one after the other), and the test images
            as PNG files in test/.
        y_train: Classes of the training images.
        y_test: Classes of the test images.
    """

    folder: Path
    y_train: np.ndarray
    y_test: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder or zip of {train,test}/<class>")
    parser.add_argument("--train", type=int, help="training images to draw; all by default")
    parser.add_argument("--test", type=int, help="test images to draw; all by default")
    parser.add_argument("--many", type=int, default=100_000, help="images of the last timing")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/new_images"))
    parser.add_argument("--name", default="new_images", help="name of the result file")
    parser.add_argument("--out", type=Path, help="another file for the JSON")
    parser.add_argument("options", nargs="*", help="passed on to `iciclegcn run`")
    options = parser.parse_args()
    data = prepare(options.data, options.runs, options.train, options.test)
    figures: list[dict[str, dict[str, float]]] = []
    payload: dict[str, Any] = {
        "question": __doc__.splitlines()[0],
        "train": len(data.y_train),
        "test": len(data.y_test),
        "options": options.options,
    }
    for seed in range(options.seeds):
        figures.append(compare(data, options.runs, seed, options.options))
        payload |= {"rows": summarize(figures)}
        if seed == 0:
            payload["speed"] = speed(options.runs / "train-0", options.runs, options.many)
        write_result(options.name, payload, options.out)
        print_table(payload)


def prepare(source: str, folder: Path, train: int | None, test: int | None) -> Data:
    """Write the arrays and files once; the truth of both parts."""
    config = DataConfig(source, labels_from_folders=True)
    opened = open_source(config)
    parts = {name: _rows_of(opened.paths, name) for name in ("train", "test")}
    generator = np.random.default_rng(0)
    for name, count in (("train", train), ("test", test)):
        if count is not None:
            drawn = generator.choice(parts[name], count, replace=False)
            parts[name] = np.sort(drawn)
    classes = np.array([path.split("/")[-2] for path in opened.paths])
    truth = {name: np.unique(classes[rows], return_inverse=True)[1] for name, rows in parts.items()}
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "all.npy").exists():
        pixels = {
            name: np.stack([opened.read(int(row), 32, 3) for row in rows]).transpose(0, 2, 3, 1)
            for name, rows in parts.items()
        }
        for name in parts:
            np.save(folder / f"{name}.npy", pixels[name])
        (folder / "test").mkdir(exist_ok=True)
        for number, image in enumerate(pixels["test"]):
            Image.fromarray(image).save(folder / "test" / f"{number:06}.png")
        write_labels(folder / "train.csv", truth["train"])
        write_labels(folder / "all.csv", np.concatenate([truth["train"], truth["test"]]))
        np.save(folder / "all.npy", np.concatenate([pixels["train"], pixels["test"]]))
    for name, rows in parts.items():
        if len(np.load(folder / f"{name}.npy", mmap_mode="r")) != len(rows):
            raise SystemExit(
                f"'{folder}' holds another number of {name} images; give another --runs"
            )
    return Data(folder, truth["train"], truth["test"])


def write_labels(file: Path, y: np.ndarray) -> None:
    """Write the classes of an array's images, for the figures of its run."""
    lines = [f"{number},{label}\n" for number, label in enumerate(y)]
    file.write_text("".join(["path,label\n", *lines]), encoding="utf-8")


def compare(data: Data, runs: Path, seed: int, options: list[str]) -> dict[str, dict[str, float]]:
    """Both runs of one seed, and the figures of every row on the test images."""
    outs = {name: runs / f"{name}-{seed}" for name in ("train", "all")}
    clusters = str(len(np.unique(data.y_train)))
    for name, out in outs.items():
        words = [str(data.folder / f"{name}.npy"), "--labels", str(data.folder / f"{name}.csv")]
        run_once([*words, "--num-clusters", clusters, "--seed", str(seed), *options], out)
    trained = RunArtefacts(outs["train"]).read_every_cluster()
    together = RunArtefacts(outs["all"]).read_every_cluster()
    split = len(data.y_train)
    y_all = np.concatenate([data.y_train, data.y_test])
    test = np.load(data.folder / "test.npy")
    return {
        "together": figures_of(data.y_test, together[split:], y_all, together),
        "predicted": figures_of(
            data.y_test, Run.load(outs["train"]).predict(test).clusters, data.y_train, trained
        ),
        "nearest": figures_of(
            data.y_test, trained[nearest(outs["train"], test)], data.y_train, trained
        ),
    }


def figures_of(
    y: np.ndarray, clusters: np.ndarray, y_before: np.ndarray, clusters_before: np.ndarray
) -> dict[str, float]:
    """Figures of some images' clusters, also by the match of those that made the clusters."""
    found = clustering_metrics(y, clusters)
    matched = matched_clusters(y_before, clusters_before)
    cluster_of = dict(zip(y_before.tolist(), matched.tolist(), strict=True))
    right = clusters == np.array([cluster_of[label] for label in y.tolist()])
    before = {"acc_matched_before": float(right.mean())}
    return {name: round(float({**found, **before}[name]), 4) for name in FIGURES}


def nearest(path: Path, images: np.ndarray) -> np.ndarray:
    """Number of the nearest training image of each, in the features of a run."""
    artefacts = RunArtefacts(path)
    x = artefacts.read_array("features")
    return NeighborIndex.build(x, 1).search(features_by(path)(images), 1).indices[:, 0]


def summarize(seeds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Mean, standard deviation and every seed's value; how far predictions fall short."""
    rows: dict[str, Any] = {}
    for row in ROWS:
        rows[row] = {}
        for figure in FIGURES:
            values = [seed[row][figure] for seed in seeds]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            mean = round(statistics.mean(values), 4)
            rows[row][figure] = {"mean": mean, "std": round(spread, 4), "seeds": values}
    short = rows["together"]["acc"]["mean"] - rows["predicted"]["acc"]["mean"]
    rows["acc_short_of_together"] = round(short, 4)
    rows["within_two_points"] = bool(short <= POINTS)
    return rows


def print_table(payload: dict[str, Any]) -> None:
    """Every row in per cent, and the speed."""
    rows = payload["rows"]
    print(f"\n{'':12s}" + "".join(f"{figure:>20s}" for figure in FIGURES))
    for row in ROWS:
        cells = (
            f"{100 * rows[row][f]['mean']:.2f} ± {100 * rows[row][f]['std']:.2f}" for f in FIGURES
        )
        print(f"{row:12s}" + "".join(f"{cell:>20s}" for cell in cells))
    verdict = "holds" if rows["within_two_points"] else "does not hold"
    print(f"within two points: {verdict} ({100 * rows['acc_short_of_together']:.2f} short)")
    for name, value in payload["speed"].items():
        print(f"{name:26s}{value:>12,}")


def _rows_of(paths: Sequence[str], part: str) -> np.ndarray:
    rows = np.flatnonzero([path.split("/")[-3:-2] == [part] for path in paths])
    if len(rows) == 0:
        raise ValueError(f"'--data' must hold images in {part}/<class> (got {paths[0]} first)")
    return rows


if __name__ == "__main__":
    main()
