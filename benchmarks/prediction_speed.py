"""How long a finished run takes to predict new images: what `benchmarks.new_images` reports."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from iciclegcn import Run
from iciclegcn.methods.embedding import embed
from iciclegcn.monitor import NullMonitor
from iciclegcn.prediction.feature_network import read_feature_network
from iciclegcn.run_folder.base import open_base
from iciclegcn.runtime import Runtime


def features_by(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Images [N, H, W, C] to features by the network of a run, which is read once."""
    run = open_base(path)
    config, network = run.config, read_feature_network(run)
    runtime = Runtime.resolve(config.seed, config.device, config.precision)

    def features(images: np.ndarray) -> np.ndarray:
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        return embed(pixels, network, config, runtime, NullMonitor())

    return features


def speed(path: Path, folder: Path, many: int) -> dict[str, float]:
    """Seconds and images a second of predictions with one run.

    Args:
        path: The run folder.
        folder: Holds new images as test.npy and as files in test/; a table is written beside them.
        many: Images of the last timing, copies of those.
    """
    files, out = folder / "test", folder / "predicted.csv"
    words = ["-m", "iciclegcn", "predict", "--run", str(path), str(files), "--out", str(out)]
    command = seconds_of(
        lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    )
    test = np.load(folder / "test.npy")
    run = Run.load(path)
    loading = seconds_of(lambda: run.predict(test[:1]))
    one = statistics.median(seconds_of(lambda: run.predict(test[:1])) for _ in range(10))
    array = statistics.median(seconds_of(lambda: run.predict(test)) for _ in range(3))
    png = statistics.median(seconds_of(lambda: run.predict(files)) for _ in range(3))
    features = features_by(path)
    network = statistics.median(seconds_of(lambda: features(test)) for _ in range(3))
    copies = np.resize(test, (many, *test.shape[1:]))
    all_of_many = seconds_of(lambda: run.predict_to(copies, out))
    return {
        "command_seconds": round(command, 2),
        "first_image_seconds": round(loading, 3),
        "one_image_seconds": round(one, 4),
        "array_images_per_second": round(len(test) / array, 1),
        "png_images_per_second": round(len(test) / png, 1),
        "features_share": round(network / array, 3),
        "many": many,
        "many_seconds": round(all_of_many, 2),
        "many_images_per_second": round(many / all_of_many, 1),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """How long some work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
