"""What do random views cost, and which implementation draws them fastest?

Question: which share of a stage-1 training step goes into drawing its two views an image, and how
many views a second do this library, kornia and torchvision (v2, one image at a time) draw from
the same uint8 batch with the same strengths?

Setting: batch 128 (256 views a step), precision as ``auto`` resolves it, two threads. The share
is the time of the views within whole steps (views, forward, three losses, backward, Adam). 32 px
images are cropped and jittered as CIFAR-10's, 96 px images as STL-10's, with blur. kornia:
``AugmentationSequential`` on fp32 batches with ``same_on_batch=False``. torchvision: v2 on uint8
tensors. Medians over the rounds; pipelines take turns within one process; warm-up discarded.

Command: ``OMP_NUM_THREADS=2 python -m benchmarks.views``
"""

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.common import write_result
from iciclegcn.config import Config, ViewConfig
from iciclegcn.config.values import build_config
from iciclegcn.data.views import MEAN, STD, random_views
from iciclegcn.methods.pretraining import PretrainModel, pretrain_losses
from iciclegcn.presets import preset_config
from iciclegcn.runtime import Runtime

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # kornia compiles helpers in a way that torch deprecates
    import kornia.augmentation as kornia

BATCH_SIZE, LARGEST_SHARE = 128, 0.15
BLUR_SIGMA = (0.1, 2.0)
Pipeline = Callable[[Tensor], Tensor]


class Network(NamedTuple):
    """A network whose step the views are held against."""

    name: str
    preset: str
    data: str
    image_size: int
    changes: dict[str, object]

    def config(self) -> Config:
        fixed: dict[str, object] = {
            "data.image_size": self.image_size,
            "pretrain.batch_size": BATCH_SIZE,
            "num_clusters": 10,
        }
        return build_config(preset_config(self.preset, self.data), fixed | self.changes)


NETWORKS = (
    Network(
        "ResNet-18, small stem",
        "paper",
        "cifar10",
        32,
        {"backbone.name": "resnet18", "backbone.stem": "small"},
    ),
    Network("ConvNet of the quick preset", "quick", "cifar10", 32, {}),
    Network("ResNet-18, plain stem", "paper", "stl10", 96, {"backbone.name": "resnet18"}),
)


def images_of(size: int) -> Tensor:
    """One batch, uint8 [128, 3, size, size]; any content costs the same."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (BATCH_SIZE, 3, size, size), dtype=np.uint8))


def library_pipeline(config: ViewConfig, size: int, dtype: torch.dtype) -> Pipeline:
    generator = torch.Generator().manual_seed(0)
    return lambda images: random_views(images, size, config, generator, dtype)


def kornia_pipeline(config: ViewConfig, size: int) -> Pipeline:
    steps: list[torch.nn.Module] = [
        kornia.RandomResizedCrop((size, size), config.crop_scale, config.crop_ratio),
        kornia.RandomHorizontalFlip(p=config.flip_probability),
        kornia.ColorJitter(*_strengths(config), p=config.jitter_probability),
        kornia.RandomGrayscale(p=config.grayscale_probability),
    ]
    if config.blur_probability > 0:
        kernel = (_blur_kernel(size), _blur_kernel(size))
        steps.append(kornia.RandomGaussianBlur(kernel, BLUR_SIGMA, p=config.blur_probability))
    pipeline = kornia.AugmentationSequential(
        *steps, data_keys=["input"], same_on_batch=False, random_apply=False
    )
    return lambda images: (pipeline(images.float() / 255) - MEAN) / STD


def torchvision_pipeline(config: ViewConfig, size: int) -> Pipeline:
    steps: list[torch.nn.Module] = [
        v2.RandomResizedCrop(size, config.crop_scale, config.crop_ratio, antialias=True),
        v2.RandomHorizontalFlip(config.flip_probability),
        v2.RandomApply([v2.ColorJitter(*_strengths(config))], config.jitter_probability),
        v2.RandomGrayscale(config.grayscale_probability),
    ]
    if config.blur_probability > 0:
        blur = v2.GaussianBlur(_blur_kernel(size), BLUR_SIGMA)
        steps.append(v2.RandomApply([blur], config.blur_probability))
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize([MEAN] * 3, [STD] * 3)]
    pipeline = v2.Compose(steps)
    return lambda images: torch.stack([pipeline(image) for image in images])


def measure_pipelines(size: int, data: str, rounds: int) -> dict[str, object]:
    """Views a second of each implementation, in turn."""
    config = preset_config("paper", data).views
    runtime = Runtime.create(0, "cpu")
    pipelines: dict[str, Pipeline] = {
        f"library, {runtime.precision}": library_pipeline(config, size, runtime.compute_dtype),
        "library, fp32": library_pipeline(config, size, torch.float32),
        "kornia, fp32": kornia_pipeline(config, size),
        "torchvision v2, per image": torchvision_pipeline(config, size),
    }
    images = images_of(size).repeat(2, 1, 1, 1)
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for round_ in range(rounds + 2):
        for name, pipeline in pipelines.items():
            start = time.perf_counter()
            pipeline(images)
            if round_ >= 2:
                rates[name].append(len(images) / (time.perf_counter() - start))
    return {
        "image_size": size,
        "views_per_second": {name: statistics.median(each) for name, each in rates.items()},
        "all_views_per_second": rates,
    }


def measure_share(network: Network, rounds: int) -> dict[str, object]:
    """The share of a step that the views take."""
    config, runtime = network.config(), Runtime.create(0, "cpu")
    images, generator = images_of(network.image_size), runtime.generator("views")
    model = PretrainModel(config, 3).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), config.pretrain.learning_rate, fused=True)
    times: list[tuple[float, float]] = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        views = random_views(
            images.repeat(2, 1, 1, 1),
            network.image_size,
            config.views,
            generator,
            runtime.compute_dtype,
        )
        drawn = time.perf_counter()
        with runtime.autocast():
            losses = pretrain_losses(model, views, config.pretrain)
        optimizer.zero_grad(set_to_none=True)
        losses.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        times.append((drawn - start, time.perf_counter() - start))
    shares = [views / step for views, step in times[2:]]
    return {
        "network": network.name,
        "image_size": network.image_size,
        "precision": runtime.precision,
        "share": statistics.median(shares),
        "largest_share_allowed": LARGEST_SHARE,
        "milliseconds_of_views": 1000 * statistics.median(views for views, _ in times[2:]),
        "milliseconds_of_step": 1000 * statistics.median(step for _, step in times[2:]),
        "all_shares": shares,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    speeds = [measure_pipelines(*case, options.rounds) for case in ((32, "cifar10"), (96, "stl10"))]
    shares = [measure_share(network, options.rounds) for network in NETWORKS]
    payload = {"question": __doc__, "pipelines": speeds, "shares": shares}
    write_result("views", payload, options.out)
    _print_tables(speeds, shares)


def _strengths(config: ViewConfig) -> tuple[float, float, float, float]:
    return config.brightness, config.contrast, config.saturation, config.hue


def _blur_kernel(size: int) -> int:
    """About a tenth of the image, odd, as in SimCLR."""
    return size // 20 * 2 + 1


def _print_tables(speeds: list[dict[str, object]], shares: list[dict[str, object]]) -> None:
    for row in speeds:
        print(f"views/s at {row['image_size']} px")
        for name, rate in row["views_per_second"].items():  # type: ignore[attr-defined]
            print(f"  {name:32}{rate:10.0f}")
    print(f"share of a step (at most {LARGEST_SHARE:.0%})")
    for row in shares:
        print(
            f"  {row['network']!s:32}{row['image_size']:4} px{row['share']:8.1%}"
            f"{row['milliseconds_of_views']:10.1f} of {row['milliseconds_of_step']:.0f} ms"
        )


if __name__ == "__main__":
    main()
