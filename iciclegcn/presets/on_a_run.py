"""Schedules of the methods that begin with a finished run, for each data set."""

import dataclasses

from iciclegcn.config import Config, RUCConfig, SelfLabelConfig
from iciclegcn.data.named import find_named
from iciclegcn.presets.suited import is_small

_LARGE = 96  # pixels of a view, from which the published batches are smaller


def self_label_schedule(base: Config) -> SelfLabelConfig:
    """The published schedule, or a short one on a ``quick`` run.

    Args:
        base: Configuration of the run that is taught further.

    Source:
        GCC (Zhong et al., 2021) for the schedules of CIFAR and STL-10; other data has that of the
        set with images of its size.
    """
    if base.preset == "quick":
        return SelfLabelConfig(
            epochs=20,
            batch_size=256,
            learning_rate=2e-4,
            # A cluster without a sure image dies out, and a small network is seldom surer.
            threshold=0.8,
            # Four leave little of a digit.
            operations=2 if is_small(base.data.source) else 4,
        )
    if _is_large(base):
        return SelfLabelConfig(epochs=100, batch_size=500)
    return SelfLabelConfig(epochs=200, batch_size=1000)


def ruc_schedule(base: Config) -> RUCConfig:
    """The published constants for the data, on a short schedule on a ``quick`` run.

    Args:
        base: Configuration of the run that is refined.

    Source:
        RUC (Park et al., 2021): CIFAR-10, CIFAR-20 and STL-10; other data has the constants of
        STL-10 where its images are as large, and of CIFAR-10 where they are smaller.
    """
    dataset = find_named(base.data.source)
    name = dataset.name if dataset else ""
    if name == "cifar100":
        options = RUCConfig(unlabelled_weight=100.0, refurbish_threshold=0.9, refurbish_growth=0.02)
    elif name == "stl10" or (_is_large(base) and name != "cifar10"):
        options = RUCConfig(unlabelled_weight=50.0, refurbish_threshold=0.9, refurbish_growth=0.02)
    else:
        options = RUCConfig(unlabelled_weight=25.0, refurbish_threshold=0.99)
    if base.preset == "quick":
        # About as many steps on a few thousand small images as on some ten thousand others. At the
        # published rate, meant for many times as many, fresh heads do not learn their labels.
        epochs = 40 if is_small(base.data.source) else 10
        return dataclasses.replace(
            options,
            epochs=epochs,
            batch_size=128,
            learning_rate=0.05,
            # How sure an image's cluster is means another thing with every clusterer: few are as
            # sure as the published threshold asks. Whether its neighbours agree does not.
            sampling="metric",
            least_clean=0.1,
            # As in the published schedule: over all of it, and in fifths.
            ramp_epochs=epochs,
            refurbish_interval=epochs // 5,
        )
    return dataclasses.replace(options, batch_size=100 if _is_large(base) else 250)


def _is_large(base: Config) -> bool:
    return (base.data.image_size or _LARGE) >= _LARGE
