"""What the other ranks do while rank 0 is in a stage of IcicleGCN: their part, and no files."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from iciclegcn.config import Config, DataConfig
from iciclegcn.data.cache import load_or_build_cache
from iciclegcn.data.decode import Pixels
from iciclegcn.data.sources import open_source
from iciclegcn.distributed.ranks import Ranks, current_ranks
from iciclegcn.errors import UserError
from iciclegcn.methods.cell_batches import CellBatches
from iciclegcn.methods.icicle import train_steps
from iciclegcn.methods.mgcn_ranks import receive_training
from iciclegcn.methods.mgcn_start import build_model
from iciclegcn.methods.pretraining import PretrainModel, embed, pretrain
from iciclegcn.methods.sharded_knn import join_neighbors
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.graphs import read_scale_graphs
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
    runtime, images = join(config, precision, data_hash)
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
    runtime, images = join(config, precision, data_hash)
    model = PretrainModel(config, in_channels)
    model.load_state_dict(state)
    embed(images, model, config, runtime, NullMonitor())


def join_search(run: Path, k: int) -> None:
    """Search for a share of the neighbours, with an index that rank 0 has saved.

    Args:
        run: The run folder, which is read only.
        k: Neighbours of each row.

    Raises:
        UserError: If the run folder cannot be read from here.
    """
    artefacts, ranks = RunArtefacts(run), current_ranks()
    require_shared(artefacts, ranks, "features.npy")
    x = artefacts.read_array("features", mapped=True)
    join_neighbors(index_folder(run), x, k, ranks)


def index_folder(run: Path) -> Path:
    """Where rank 0 leaves the index for the others, and for images that come later."""
    return run / "index"


def join_clustering(config: Config, precision: str, run: Path) -> None:
    """Train stage 2 with the other ranks, where it goes in cells.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in.
        run: The run folder, which is read only.

    Raises:
        UserError: If the run folder cannot be read from here.
    """
    runtime = Runtime.create(config.seed, config.device, precision)
    start = receive_training(runtime)
    if start is None:
        return
    artefacts = RunArtefacts(run)
    require_shared(artefacts, runtime.ranks, "neighbors.npz")
    x = artefacts.read_array("features", mapped=True)
    graphs = read_scale_graphs(artefacts, config.graph)
    nodes = CellBatches(x, graphs, start.cells.numpy(), config.mgcn, runtime)
    # Its weights come with the network's.
    autoencoder = AutoEncoder(
        x.shape[1], config.autoencoder.hidden_channels, int(config.num_clusters or 0)
    )
    model = build_model(autoencoder, len(graphs), config.mgcn, runtime)
    model.load_state_dict(start.weights)
    runtime.ranks.barrier()
    train_steps(model, nodes, None, config.mgcn, runtime, NullMonitor(), start.state, 0.0)


def join(config: Config, precision: str, data_hash: str) -> tuple[Runtime, Pixels]:
    """The runtime and the images of rank 0, here; arguments as of the tasks."""
    runtime = Runtime.create(config.seed, config.device, precision)
    return runtime, images_of(config.data, data_hash, runtime.ranks)


def require_shared(artefacts: RunArtefacts, ranks: Ranks, name: str) -> None:
    """Make sure that what rank 0 has written can be read here.

    Args:
        artefacts: Of the run.
        ranks: For the message.
        name: A file in the run folder.

    Raises:
        UserError: If it cannot.
    """
    if not (artefacts.path / name).is_file():
        raise UserError(
            f"process {ranks.rank} cannot read '{artefacts.path}'; the run folder must be on a "
            "file system that every machine shares"
        )


def images_of(data: DataConfig, data_hash: str, ranks: Ranks) -> Pixels:
    """The images of rank 0, from this machine's cache; made by one process where it is absent.

    Args:
        data: Which images.
        data_hash: What rank 0's hash to.
        ranks: Every rank but the first calls this, and the first waits at a barrier.

    Raises:
        UserError: If the images here are others.
    """
    if ranks.local_rank > 0:
        ranks.barrier()
    images = load_or_build_cache(open_source(data), data, monitor=NullMonitor())
    if ranks.local_rank == 0:
        ranks.barrier()
    if images.data_hash != data_hash:
        raise UserError(
            f"the images of '{data.source}' differ between process 0 and process "
            f"{ranks.rank}; every machine must see the same files"
        )
    return images.images
