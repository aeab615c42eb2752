"""From images to the features that the graphs are made of."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.data.views import evaluation_view
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.image_network import ImageNetwork
from iciclegcn.runtime import Runtime


def embed(
    images: np.ndarray,
    model: ImageNetwork,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
    batch_size: int = 512,
) -> np.ndarray:
    """Compute the rows that a network gives for every image, without augmentation.

    Args:
        images: uint8 [N, C, S, S].
        model: Gives the rows.
        config: The run's configuration.
        runtime: Device and precision.
        monitor: Told about the progress.
        batch_size: Images at a time.

    Returns:
        Features x, float32 [N, D], row = image index; with several ranks they are all on rank 0,
        and the others get none: [0, D].
    """
    is_main = runtime.ranks.is_main
    features = np.empty((len(images) if is_main else 0, model.num_features), np.float32)
    for done in embed_into(features, images, model, config, runtime, batch_size=batch_size):
        if is_main:
            monitor.progress(done, len(images), unit="image")
    return features


def embed_into(
    features: np.ndarray,
    images: np.ndarray,
    model: ImageNetwork,
    config: Config,
    runtime: Runtime,
    *,
    batch_size: int,
    first: int = 0,
) -> Iterator[int]:
    """Fill rows as `embed` computes them, a batch of every rank at a time.

    Args:
        features: float32 [N, D], in memory or memory-mapped; other ranks than 0 leave theirs.
        images: uint8 [N, C, S, S].
        model: Gives the rows.
        config: The run's configuration.
        runtime: Device, precision and ranks; every rank calls this.
        batch_size: Images at a time.
        first: The first row to fill, a multiple of all ranks' batches if the rows are to be those
            of one go.

    Yields:
        How many rows are there.
    """
    ranks, num_images = runtime.ranks, len(images)
    model = model.to(runtime.device).eval()
    # Whole batches take turns, so that every image has the company it has on one rank.
    for start in range(first, num_images, batch_size * ranks.size):
        begins = range(start, min(start + batch_size * ranks.size, num_images), batch_size)
        if ranks.rank < len(begins):
            own = slice(begins[ranks.rank], begins[ranks.rank] + batch_size)
            x = _features(images[own], model, config, runtime)
            if ranks.is_main:
                features[own] = x.numpy()
            else:
                ranks.send(x)
        if ranks.is_main:
            for rank in range(1, len(begins)):
                rows = features[begins[rank] : begins[rank] + batch_size]
                ranks.receive(torch.from_numpy(rows), rank)
        yield min(begins[-1] + batch_size, num_images)


@torch.inference_mode()
def _features(images: np.ndarray, model: ImageNetwork, config: Config, runtime: Runtime) -> Tensor:
    """Features [n, D] of a batch, in fp32 on the host."""
    batch = torch.from_numpy(np.array(images))
    size = config.data.image_size or batch.shape[-1]
    with runtime.autocast():
        x = model(evaluation_view(batch.to(runtime.device), size))
    features: Tensor = x.float().cpu()
    return features
