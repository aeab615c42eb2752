"""The stage that shows images to a frozen backbone."""

from collections.abc import Mapping

from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.data.cache import CachedImages
from iciclegcn.methods.extraction import agrees, extract, rows_there
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.pretrained.loading import build_network, load_backbone
from iciclegcn.progress import Reporter
from iciclegcn.rank_tasks import join
from iciclegcn.run_backbone import write_backbone
from iciclegcn.run_folder import RunFolder
from iciclegcn.stage_parts import make_runtime, runtime_facts, summon, without_labels


def extract_images(folder: RunFolder, images: CachedImages, reporter: Reporter) -> None:
    """Images to ``features.npy``, and the network's description to ``backbone.json``.

    Raises:
        UserError: If the network or its weights cannot be had.
    """
    config = without_labels(folder.config)
    runtime = make_runtime(config)
    with folder.stage("extract", reporter, runtime_facts(runtime)) as monitor:
        network = load_backbone(config.backbone)
        if not agrees(network, images.images, config, runtime):
            network.full_precision = True
            monitor.note(f"features in fp32: in {runtime.precision} they differ too much")
        file = folder.path / "checkpoints" / "extract.npy"
        first = rows_there(network, len(images.images), monitor, file)
        shared = (network.state_dict(), network.full_precision, first)
        summon(join_extraction, config, runtime, images, *shared)
        extract(images.images, network, config, runtime, monitor, file, first)
        write_backbone(folder.path, config.backbone, network)
        file.replace(folder.path / "features.npy")


def join_extraction(
    config: Config,
    precision: str,
    data_hash: str,
    state: Mapping[str, Tensor],
    full_precision: bool,
    first: int,
) -> None:
    """Extract with the other ranks; see `iciclegcn.methods.extraction.extract`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in.
        data_hash: What rank 0's images hash to.
        state: The network's ``state_dict``: only rank 0 may have its weights.
        full_precision: Whether the network computes in float32 all the same.
        first: The first row that is to be computed.

    Raises:
        UserError: If the images here are not those of rank 0.
    """
    runtime, images = join(config, precision, data_hash)
    network = build_network(config.backbone)
    network.load_state_dict(state)
    network.full_precision = full_precision
    extract(images, network, config, runtime, NullMonitor(), first=first)
