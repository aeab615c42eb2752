"""From images to the features that the graphs are made of."""

import numpy as np
import torch
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.data.views import evaluation_view
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.image_network import ImageNetwork
from iciclegcn.runtime import Runtime


@torch.inference_mode()
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
    ranks = runtime.ranks
    model = model.to(runtime.device).eval()
    num_images = len(images)
    # Whole batches take turns, so that every image has the company it has on one rank.
    features = np.empty((num_images if ranks.is_main else 0, model.num_features), np.float32)
    for start in range(0, num_images, batch_size * ranks.size):
        begins = range(start, min(start + batch_size * ranks.size, num_images), batch_size)
        if ranks.rank < len(begins):
            own = slice(begins[ranks.rank], begins[ranks.rank] + batch_size)
            x = _features(images[own], model, config, runtime)
            if not ranks.is_main:
                ranks.send(x)
                continue
            features[own] = x.numpy()
        if ranks.is_main:
            for rank in range(1, len(begins)):
                rows = features[begins[rank] : begins[rank] + batch_size]
                ranks.receive(torch.from_numpy(rows), rank)
            monitor.progress(min(begins[-1] + batch_size, num_images), num_images, unit="image")
    return features


def _features(images: np.ndarray, model: ImageNetwork, config: Config, runtime: Runtime) -> Tensor:
    """Features [n, D] of a batch, in fp32 on the host."""
    batch = torch.from_numpy(np.array(images))
    size = config.data.image_size or batch.shape[-1]
    with runtime.autocast():
        x = model(evaluation_view(batch.to(runtime.device), size))
    features: Tensor = x.float().cpu()
    return features
