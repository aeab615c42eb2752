"""How many training views a second does stage 1 process?

Question: the whole step of stage 1 (two views an image, forward, three losses, backward, Adam) by
`iciclegcn.methods.pretraining.pretrain` as a run calls it (auto precision, channels last, views
drawn for the whole batch) against the same losses trained plainly: torchvision's networks, fp32,
contiguous memory, torch's default Adam, and torchvision's transforms on one PIL image at a time
in two ``DataLoader`` workers. Both sides start from images already decoded in memory, so that the
plain side pays for no JPEG decoding.

Setting: ResNet-34 at 224 px from 256 px images with blur and full colour jitter (the paper's
backbone; batch 32, because 128 takes a minute a step on two cores), and ResNet-18 at 32 px
(batch 128) with both stems. The plain stem is torchvision's and the published one: its row is the
one that counts; the small stem keeps 32 px images at full resolution. Auto-encoder
500-500-2000-10, two threads. Both sides in one process, in turn; views a second of the median step
over all rounds, the first steps of each round discarded.

Command: ``OMP_NUM_THREADS=2 python -m benchmarks.stage1``
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import models, transforms

from benchmarks.common import write_result
from iciclegcn.config import Config, ViewConfig
from iciclegcn.config.values import build_config
from iciclegcn.data.views import MEAN, STD
from iciclegcn.methods.pretraining import PretrainModel, pretrain, pretrain_losses
from iciclegcn.monitor import NullMonitor
from iciclegcn.presets import preset_config
from iciclegcn.runtime import Runtime

NUM_CLUSTERS = 10


@dataclass(frozen=True)
class Case:
    """One network at one size; ``target`` is the speed-up it must reach."""

    name: str
    preset_data: str
    backbone: str
    stem: str
    cache_size: int
    image_size: int
    batch_size: int
    warm_up: int
    steps: int
    target: float | None

    def config(self) -> Config:
        changes: dict[str, object] = {
            "num_clusters": NUM_CLUSTERS,
            "backbone.name": self.backbone,
            "backbone.stem": self.stem,
            "data.image_size": self.image_size,
            "data.cache_size": self.cache_size,
            "pretrain.batch_size": self.batch_size,
            "pretrain.epochs": 1,
        }
        return build_config(preset_config("paper", self.preset_data), changes)

    def images(self) -> np.ndarray:
        """As many images as a round needs, uint8 [N, 3, S, S]; any content costs the same."""
        count = (self.warm_up + self.steps) * self.batch_size
        shape = (count, 3, self.cache_size, self.cache_size)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


CASES = (
    Case("ResNet-18, 32 px, plain stem", "cifar10", "resnet18", "plain", 32, 32, 128, 4, 12, 2.0),
    Case("ResNet-18, 32 px, small stem", "cifar10", "resnet18", "small", 32, 32, 128, 1, 2, None),
    Case("ResNet-34, 224 px", "imagenet10", "resnet34", "plain", 256, 224, 32, 1, 3, 2.5),
)


class StepTimes(NullMonitor):
    """Notes when each step ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def log(self, step: int, **values: float) -> None:
        del step, values
        self.ends.append(time.perf_counter())


def library_round(case: Case, images: np.ndarray) -> list[float]:
    """When each step of the library's own loop ended, in seconds."""
    monitor = StepTimes()
    pretrain(images, case.config(), Runtime.create(0, "cpu"), monitor)
    return monitor.ends


def pil_transform(views: ViewConfig, size: int) -> transforms.Compose:
    """The view of the configuration from torchvision's transforms, for one PIL image."""
    jitter = (views.brightness, views.contrast, views.saturation, views.hue)
    steps: list[object] = [
        transforms.RandomResizedCrop(size, views.crop_scale, views.crop_ratio),
        transforms.RandomHorizontalFlip(views.flip_probability),
        transforms.RandomApply([transforms.ColorJitter(*jitter)], views.jitter_probability),
        transforms.RandomGrayscale(views.grayscale_probability),
    ]
    if views.blur_probability > 0:
        blur = transforms.GaussianBlur(kernel_size=size // 20 * 2 + 1, sigma=(0.1, 2.0))
        steps.append(transforms.RandomApply([blur], views.blur_probability))
    steps += [transforms.ToTensor(), transforms.Normalize((MEAN,) * 3, (STD,) * 3)]
    return transforms.Compose(steps)


class PilViews(Dataset[tuple[Tensor, Tensor]]):
    """Two views of each image, one image at a time."""

    def __init__(self, images: np.ndarray, transform: transforms.Compose) -> None:
        self._images = [Image.fromarray(np.moveaxis(image, 0, 2)) for image in images]
        self._transform = transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self._images[index]
        return self._transform(image), self._transform(image)


def torchvision_backbone(case: Case) -> nn.Module:
    """The network as torchvision has it, with the case's stem."""
    network: nn.Module = getattr(models, case.backbone)(weights=None)
    network.fc = nn.Identity()
    if case.stem == "small":
        network.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network


def plain_round(case: Case, images: np.ndarray) -> list[float]:
    """When each step of the plain loop ended, in seconds."""
    config = case.config()
    torch.manual_seed(0)
    model = PretrainModel(config, 3).train()
    model.backbone = torchvision_backbone(case)
    optimizer = torch.optim.Adam(model.parameters(), config.pretrain.learning_rate)
    dataset = PilViews(images, pil_transform(config.views, case.image_size))
    # Longer than the round, so that the workers are as busy in the last step as in the first.
    sampler = RandomSampler(dataset, replacement=True, num_samples=10 * len(dataset))
    loader = DataLoader(dataset, case.batch_size, sampler=sampler, num_workers=2)
    ends = []
    for view_a, view_b in itertools.islice(loader, case.warm_up + case.steps):
        losses = pretrain_losses(model, torch.cat([view_a, view_b]), config.pretrain)
        optimizer.zero_grad()
        losses.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        float(losses.loss.detach())
        ends.append(time.perf_counter())
    return ends


def measure(case: Case, rounds: int) -> dict[str, object]:
    """Views a second of both sides, in turn."""
    images = case.images()
    seconds: dict[str, list[float]] = {"library": [], "plain": []}
    for _ in range(rounds):
        for side, run in (("library", library_round), ("plain", plain_round)):
            seconds[side] += np.diff(run(case, images))[case.warm_up - 1 :].tolist()
    rates = {
        side: 2 * case.batch_size / statistics.median(steps) for side, steps in seconds.items()
    }
    return {
        "case": case.name,
        "batch_size": case.batch_size,
        "precision": Runtime.create(0, "cpu").precision,
        "views_per_second": rates,
        "seconds_of_steps": seconds,
        "speed_up": rates["library"] / rates["plain"],
        "target": case.target,
    }


def table(rows: list[dict[str, object]]) -> Iterator[str]:
    yield f"{'':32}{'library':>10}{'plain':>10}{'speed-up':>10}{'target':>8}   (views/s)"
    for row in rows:
        rates = row["views_per_second"]
        target = "-" if row["target"] is None else f"{row['target']:.1f}x"
        yield (
            f"{row['case']:32}{rates['library']:10.0f}{rates['plain']:10.0f}"  # type: ignore[index]
            f"{row['speed_up']:9.2f}x{target:>8}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    cases = [case for case in CASES if (options.only or "") in case.name]
    rows = [measure(case, options.rounds) for case in cases]
    write_result("stage1", {"question": __doc__, "cases": rows}, options.out)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
