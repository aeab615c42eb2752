"""What the stages of every method share."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from iciclegcn.config import Config
from iciclegcn.data.cache import CachedImages
from iciclegcn.errors import UserError
from iciclegcn.evaluation.label_free import collapse
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.disk_space import NoRoomError
from iciclegcn.runtime import Runtime


def without_labels(config: Config) -> Config:
    """What training may know: nothing of the truth, not even where it is."""
    data = dataclasses.replace(config.data, labels=None, labels_from_folders=False)
    return dataclasses.replace(config, data=data)


def make_runtime(config: Config) -> Runtime:
    """The runtime that a configuration asks for."""
    return Runtime.create(config.seed, config.device, config.precision)


def runtime_facts(runtime: Runtime) -> dict[str, Any]:
    """What a continued stage must share with its beginning for the same bits."""
    return {
        "device": str(runtime.device),
        "precision": runtime.precision,
        "threads": torch.get_num_threads(),
        "processes": runtime.ranks.size,
    }


def summon(
    task: Callable[..., None],
    config: Config,
    runtime: Runtime,
    images: CachedImages,
    *arguments: object,
) -> None:
    """Let the other ranks join in, once each of their machines has the images.

    Args:
        task: Takes the configuration, the precision, the images' hash and the arguments.
        config: The run's configuration, without labels.
        runtime: Of rank 0.
        images: Of rank 0.
        *arguments: Anything that pickles.
    """
    runtime.ranks.summon(task, config, runtime.precision, images.data_hash, *arguments)
    runtime.ranks.barrier()


def warn_of_collapse(
    probabilities: np.ndarray,
    when: str,
    remedies: str,
    monitor: StageMonitor,
    *,
    told_of_empty: bool = False,
) -> None:
    """Tell of dead clusters.

    Args:
        probabilities: Soft assignments [N, K].
        when: What has ended, as ``clustering``.
        remedies: What to try.
        monitor: Told.
        told_of_empty: Whether the user has been told of empty clusters.
    """
    num_clusters = probabilities.shape[1]
    found = collapse(probabilities.argmax(axis=1), num_clusters)
    if found.collapsed and not (told_of_empty and found.empty_clusters):
        empty, verb = found.empty_clusters, "is" if found.empty_clusters == 1 else "are"
        dead = f"{empty} of {num_clusters} clusters {verb} empty and " if empty else ""
        monitor.warn(
            f"after {when} {dead}the largest cluster holds {found.largest_share:.0%} of the "
            f"images; try {remedies}"
        )


@contextmanager
def user_errors() -> Iterator[None]:
    """Options that only the data can refuse, such as a heat kernel that is 0 everywhere."""
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from error


@contextmanager
def disk_errors() -> Iterator[None]:
    """A full disk, which the user can mend; any other error of training is ours."""
    try:
        yield
    except NoRoomError as error:
        raise UserError(str(error)) from error
