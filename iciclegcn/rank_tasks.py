"""What the other ranks do while rank 0 is in a stage: their part of it, and no files of the run."""

from collections.abc import Mapping

from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.data.cache import load_or_build_cache
from iciclegcn.data.decode import Pixels
from iciclegcn.data.sources import open_source
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.errors import UserError
from iciclegcn.methods.pretraining import PretrainModel, embed, pretrain
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime


def join_pretraining(config: Config, precision: str, data_hash: str) -> None:
    """Train with the other ranks; see `iciclegcn.methods.pretraining.pretrain`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in: this machine might choose another.
        data_hash: What rank 0's images hash to.

    Raises:
        UserError: If the images here are not those of rank 0.
    """
    runtime = Runtime.create(config.seed, config.device, precision)
    images = _images(config, data_hash, runtime.ranks)
    pretrain(images, config, runtime, NullMonitor())


def join_embedding(
    config: Config,
    precision: str,
    data_hash: str,
    in_channels: int,
    state: Mapping[str, Tensor],
) -> None:
    """Embed images with the other ranks; see `iciclegcn.methods.pretraining.embed`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in.
        data_hash: What rank 0's images hash to.
        in_channels: Channels of the images.
        state: The pretrained networks' ``state_dict``.

    Raises:
        UserError: If the images here are not those of rank 0.
    """
    runtime = Runtime.create(config.seed, config.device, precision)
    images = _images(config, data_hash, runtime.ranks)
    model = PretrainModel(config, in_channels)
    model.load_state_dict(state)
    embed(images, model, config, runtime, NullMonitor())


def _images(config: Config, data_hash: str, ranks: Ranks) -> Pixels:
    """The images of rank 0, from this machine's cache; made by one process where it is absent."""
    if ranks.local_rank > 0:
        ranks.barrier()
    images = load_or_build_cache(open_source(config.data), config.data, monitor=NullMonitor())
    if ranks.local_rank == 0:
        ranks.barrier()
    if images.data_hash != data_hash:
        raise UserError(
            f"the images of '{config.data.source}' differ between process 0 and process "
            f"{ranks.rank}; every machine must see the same files"
        )
    return images.images
