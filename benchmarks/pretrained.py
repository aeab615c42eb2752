"""What do a packaged network's features give without any training of it, and how fast are they?

Command: python -m benchmarks.pretrained --data FOLDER_OR_ZIP [--images N] [--seeds N]
         [--sample N] [--runs DIR] [--backbone NAME] [-- OPTIONS OF `iciclegcn cluster`]
Data: a folder or zip of .../<class>/<image>, or with --images that many drawn once; the features
come from EfficientNet-Lite0 (supervised ImageNet weights), computed once for all seeds.
Rows, the same features and seeds in each: k-means (10 restarts) on the features, spectral
clustering (10 neighbours) of a sample of them, drawn anew for each seed, the auto-encoder without
GCNs, and IcicleGCN; all again on that sample alone. Labels are read for the figures only.
Speed: images a second of the whole extraction (interruptions left out), and in one process after a
warm-up of float32, bf16 and onnxruntime, with what bf16 changes: the root mean square of the
difference over the features' spread, and the share of 10 neighbours that stay.
The same command again goes on where it was stopped.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cifar10 import draw
from benchmarks.clustering_runs import Scores, print_table, summarize
from benchmarks.common import write_result
from benchmarks.extraction_speed import extraction_speeds
from iciclegcn.cli.backbone_choice import suit_backbone
from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.pipeline import run
from iciclegcn.presets import preset_config
from iciclegcn.progress import make_reporter
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.manifest import Manifest

ROWS = {
    "kmeans": "k-means on features",
    "without_gcns": "without GCNs (auto-encoder)",
    "icicle": "IcicleGCN",
    "spectral_sample": "spectral, on the sample",
    "kmeans_sample": "k-means, on the sample",
    "icicle_sample": "IcicleGCN, on the sample",
}
METRICS = ("acc", "nmi", "ari")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder or zip of the images")
    parser.add_argument("--images", type=int, help="draw this many; all by default")
    parser.add_argument("--side", type=int, default=32, help="pixels at which images are kept")
    parser.add_argument("--clusters", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sample", type=int, default=5000, help="rows of spectral clustering")
    parser.add_argument("--timed", type=int, default=512, help="images of the speed's comparison")
    parser.add_argument("--backbone", default="efficientnet-lite0")
    parser.add_argument("--runs", type=Path, default=Path("runs/pretrained"))
    parser.add_argument("--name", default="pretrained", help="name of the result file")
    parser.add_argument("--out", type=Path, help="another file for the JSON")
    parser.add_argument("options", nargs="*", help="passed on to `iciclegcn cluster`")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    source, _, y = draw(options.data, options.images, options.runs)
    config = frozen_config(source, options.backbone, options.clusters, options.side)
    extracted = run(
        config, options.runs / "features", until="extract", reporter=make_reporter(sys.stderr)
    )
    payload: dict[str, Any] = {
        "question": __doc__.splitlines()[0],
        "images": len(y),
        "side": options.side,
        "options": options.options,
        "extraction": extraction_facts(extracted, len(y)),
    }
    payload["speed"] = kept(
        options.runs / "speed.json",
        {"backbone": options.backbone, "side": options.side, "timed": options.timed},
        lambda: extraction_speeds(config, options.timed),
    )
    found: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        found.append(one_seed(extracted, y, seed, options))
        scores: list[Scores] = [result["scores"] for result in found]
        payload["rows"] = summarize(scores, list(ROWS))
        payload["seconds"] = [result["seconds"] for result in found]
        write_result(options.name, payload, options.out)
        print(f"\nseeds 0 to {seed} of {len(y):,} images: {payload['seconds'][-1]}", flush=True)
        print_table(payload["rows"], ROWS)
    print(json.dumps({"extraction": payload["extraction"], "speed": payload["speed"]}, indent=2))


def frozen_config(source: str, backbone: str, num_clusters: int, side: int) -> Config:
    """The quick preset on a frozen backbone, as the command line makes it."""
    changes: dict[str, object] = {
        "num_clusters": num_clusters,
        "backbone.name": backbone,
        "data.cache_size": side,  # files of 32 pixels need not be kept at 256
        "data.channels": 3,
    }
    return build_config(suit_backbone(preset_config("quick", source), changes), changes)


def extraction_facts(folder: Path, num_images: int) -> dict[str, Any]:
    """What the network is, and how long it took for all images."""
    seconds = Manifest(folder / "manifest.json").stage("extract")["seconds"]
    told = json.loads((folder / "backbone.json").read_text(encoding="utf-8"))
    return {
        **{name: told[name] for name in ("name", "trained_on", "num_features", "precision")},
        "image_size": told["shown"]["image_size"],
        "seconds": round(seconds, 1),
        "images_per_second": round(num_images / seconds, 1),
    }


def one_seed(
    extracted: Path, y: NDArray[np.int64], seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Scores and seconds of every row."""
    out = options.runs / f"seed-{seed}"
    file = extracted / "features.npy"
    words = ["--features", str(file), "--num-clusters", str(options.clusters), "--seed", str(seed)]
    command = [sys.executable, "-m", "iciclegcn", "cluster", *words, "--out", str(out)]
    subprocess.run([*command, *options.options], check=True, stdout=subprocess.DEVNULL)
    artefacts = RunArtefacts(out)
    clusters = {
        "icicle": artefacts.read_every_cluster(),
        "without_gcns": artefacts.read_array("pretrained_code").argmax(axis=1),
    }
    manifest = Manifest(out / "manifest.json")
    stages = {stage: manifest.stage(stage)["seconds"] for stage in ("graph", "encode", "cluster")}
    baselines = kept(
        options.runs / f"baselines-{seed}.json",
        {"clusters": options.clusters, "sample": options.sample, "images": len(y)},
        lambda: run_baselines(np.load(file, mmap_mode="r"), seed, options.clusters, options.sample),
    )
    sample = np.array(baselines["sample"])
    clusters["kmeans"] = np.array(baselines["kmeans"])
    rows = {name: (y, found) for name, found in clusters.items()}
    rows["spectral_sample"] = (y[sample], np.array(baselines["spectral"]))
    for name in ("kmeans", "icicle"):
        rows[f"{name}_sample"] = (y[sample], clusters[name][sample])
    scores = {name: _figures(*pair) for name, pair in rows.items()}
    seconds = {"icicle": round(sum(stages.values()), 1), **stages, **baselines["seconds"]}
    return {"scores": scores, "seconds": seconds}


def run_baselines(
    x: NDArray[np.float32], seed: int, num_clusters: int, sample_size: int
) -> dict[str, Any]:
    """k-means of all rows and spectral clustering of a sample: clusters, and seconds of each."""
    from sklearn.cluster import KMeans, SpectralClustering

    sample = np.arange(len(x))
    if sample_size < len(x):
        drawn = np.random.default_rng(seed).choice(len(x), sample_size, replace=False)
        sample = np.sort(drawn)
    kmeans = KMeans(num_clusters, n_init=10, random_state=seed)
    spectral = SpectralClustering(
        num_clusters, affinity="nearest_neighbors", n_neighbors=10, random_state=seed
    )
    all_rows, some_rows = np.array(x), np.array(x[sample])
    started = time.perf_counter()
    found = kmeans.fit_predict(all_rows)
    between = time.perf_counter()
    sampled = spectral.fit_predict(some_rows)
    ended = time.perf_counter()
    return {
        "kmeans": found.tolist(),
        "spectral": sampled.tolist(),
        "sample": sample.tolist(),
        "seconds": {
            "kmeans": round(between - started, 1),
            "spectral_sample": round(ended - between, 1),
        },
    }


def kept(
    file: Path, of: Mapping[str, object], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What an earlier call wrote to a file, or what is made and written now.

    Args:
        file: JSON.
        of: The options that it depends on; a file made with others is refused.
        make: Gives the content where there is no file.
    """
    if not file.exists():
        partial = file.with_name(f"{file.name}.partial")
        partial.write_text(json.dumps({"of": of, "found": make()}), encoding="utf-8")
        partial.replace(file)
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if content["of"] != of:
        raise SystemExit(f"'{file}' is of {content['of']}, not of {of}; give another --runs")
    found: dict[str, Any] = content["found"]
    return found


def _figures(y: NDArray[np.int64], clusters: NDArray[np.int64]) -> dict[str, float]:
    figures = clustering_metrics(y, clusters)
    return {name: float(figures[name]) for name in METRICS}


if __name__ == "__main__":
    main()
