"""Images a second through a trained network in each way of computing, in one process."""

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iciclegcn.config import Config
from iciclegcn.data.cache import load_or_build_cache
from iciclegcn.data.sources import open_source
from iciclegcn.methods.embedding import embed
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.pretrained.loading import load_backbone
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.nn.pretrained.network_files import FileNetwork
from iciclegcn.runtime import Runtime

_BATCH = 64  # as the extraction stage has it
_NEIGHBORS = 10


def extraction_speeds(config: Config, count: int) -> dict[str, Any]:
    """Images a second of float32, bf16 and onnxruntime, and how far their features agree.

    Args:
        config: Names the images and a trained backbone.
        count: Images that are timed, evenly drawn from all; a batch of them is a warm-up.

    Returns:
        For each way ``images_per_second``, ``error`` (root mean square of the difference from
        float32 over the features' spread) and ``neighbors_kept`` (share of the 10 nearest).
    """
    cached = load_or_build_cache(open_source(config.data), config.data, monitor=NullMonitor())
    rows = np.linspace(0, len(cached.images) - 1, min(count, len(cached.images)))
    images = np.array(cached.images[rows.astype(np.int64)])
    network = load_backbone(config.backbone)
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, tuple[PretrainedNetwork, str]] = {
            "fp32": (network, "fp32"),
            "bf16": (network, "bf16"),
        }
        exported = onnx_twin(network, Path(folder))
        if exported is not None:
            ways["onnxruntime"] = (exported, "fp32")
        found = {name: timed(*way, images, config) for name, way in ways.items()}
    exact = found["fp32"][1]
    return {
        name: {
            "images_per_second": round(len(images) / seconds, 1),
            "error": round(_error(x, exact), 4),
            "neighbors_kept": round(_neighbors_kept(x, exact), 4),
        }
        for name, (seconds, x) in found.items()
    }


def timed(
    network: PretrainedNetwork, precision: str, images: NDArray[np.uint8], config: Config
) -> tuple[float, NDArray[np.float32]]:
    """Seconds for all images after a warm-up, and their features [N, D]."""
    runtime = Runtime.create(0, "cpu", precision)

    def features(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return embed(pixels, network, config, runtime, NullMonitor(), _BATCH)

    features(images[:_BATCH])
    started = time.perf_counter()
    x = features(images)
    return time.perf_counter() - started, x


def onnx_twin(network: PretrainedNetwork, folder: Path) -> PretrainedNetwork | None:
    """The same network as an ONNX file gives it; None where a package for that is absent."""
    try:
        import onnxruntime
        import onnxscript
    except ImportError:
        return None
    del onnxruntime, onnxscript
    size = network.preprocess.shown.image_size
    file = folder / "network.onnx"
    _quietly(lambda: _export(network.network, size, file))
    return PretrainedNetwork(FileNetwork(file), network.preprocess, "onnx", full_precision=True)


def _export(network: nn.Module, size: int, file: Path) -> None:
    shapes = ({0: torch.export.Dim("n")},)
    example = (torch.zeros(2, 3, size, size),)
    torch.onnx.export(network, example, file, dynamo=True, dynamic_shapes=shapes, verbose=False)


def _quietly(work: Callable[[], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about itself
        work()


def _error(x: NDArray[np.float32], exact: NDArray[np.float32]) -> float:
    spread = np.square(exact - exact.mean(axis=0)).mean()
    return float(np.sqrt(np.square(x - exact).mean() / spread))


def _neighbors_kept(x: NDArray[np.float32], exact: NDArray[np.float32]) -> float:
    nearest, before = _nearest(x), _nearest(exact)
    pairs = zip(nearest, before, strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in pairs]))


def _nearest(x: NDArray[np.float32]) -> NDArray[np.int64]:
    rows = torch.from_numpy(x)
    distances = torch.cdist(rows, rows).fill_diagonal_(torch.inf)
    k = min(_NEIGHBORS, len(x) - 1)
    return distances.topk(k, largest=False).indices.numpy()
