"""IcicleGCN's stages: read the earlier results, call the method, write the next result."""

import numpy as np
import torch
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.data.cache import CachedImages
from iciclegcn.methods.icicle import train_mgcn
from iciclegcn.methods.mgcn_result import output_probabilities
from iciclegcn.methods.pretraining import PretrainModel, embed, pretrain
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.progress import Reporter
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.backbone import write_backbone
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.graphs import read_scale_graphs
from iciclegcn.run_folder.heads import name_clusters
from iciclegcn.runtime import Runtime
from iciclegcn.stages.parts import (
    disk_errors,
    make_runtime,
    runtime_facts,
    summon,
    user_errors,
    warn_of_collapse,
    without_labels,
)
from iciclegcn.stages.rank_tasks import join_clustering, join_embedding, join_pretraining

_ROWS_AT_A_TIME = 8192


def pretrain_stage(folder: RunFolder, images: CachedImages, reporter: Reporter) -> None:
    """Stage 1: images to ``checkpoints/pretrain.safetensors``."""
    config = without_labels(folder.config)
    runtime = make_runtime(config)
    with folder.stage("pretrain", reporter, runtime_facts(runtime)) as monitor:
        summon(join_pretraining, config, runtime, images)
        model = pretrain(images.images, config, runtime, monitor)
        write_backbone(folder.path, config.backbone)
        in_channels = images.images.shape[1]
        metadata = {"in_channels": in_channels, "config": config.to_dict()}
        folder.artefacts.write_model("pretrain", model.state_dict(), metadata)


def embed_stage(folder: RunFolder, images: CachedImages, reporter: Reporter) -> None:
    """Images and the pretrained model to ``features.npy`` and ``pretrained_code.npy``."""
    config = without_labels(folder.config)
    runtime = make_runtime(config)
    with folder.stage("embed", reporter, runtime_facts(runtime)) as monitor:
        model = pretrained_model(folder.artefacts, config)
        in_channels = images.images.shape[1]
        summon(join_embedding, config, runtime, images, in_channels, model.state_dict())
        x = embed(images.images, model, config, runtime, monitor)
        code = code_of(x, model.autoencoder, runtime)
        folder.artefacts.write_array("features", x)
        folder.artefacts.write_array("pretrained_code", code)
        warn_of_collapse(
            code,
            "pretraining",
            "more --pretrain.epochs, a larger --pretrain.batch_size, a higher "
            "--pretrain.cluster_weight, or a lower --num-clusters",
            monitor,
        )


def cluster_stage(folder: RunFolder, reporter: Reporter) -> None:
    """Stage 2: features, neighbours and the pretrained auto-encoder to ``assignments.csv``."""
    config = without_labels(folder.config)
    runtime = make_runtime(config)
    artefacts = folder.artefacts
    with folder.stage("cluster", reporter, runtime_facts(runtime)) as monitor:
        with user_errors():
            graphs = read_scale_graphs(artefacts, config.graph)
        autoencoder = pretrained_autoencoder(folder.artefacts, config)
        run = folder.path.resolve()
        runtime.ranks.summon(join_clustering, config, runtime.precision, run)
        with disk_errors():
            result = train_mgcn(
                artefacts.read_array("features", mapped=True),  # not kept here: its pages count
                graphs,
                autoencoder,
                config,
                runtime,
                monitor,
                folder=folder.path,
            )
        output = output_probabilities(result, config.mgcn.output).numpy()
        heads = {f"stream_{u}": stream for u, stream in enumerate(result.streams)}
        heads |= {"q": result.q, "code": result.code}
        arrays = {name: head.detach().numpy() for name, head in heads.items()}
        metadata = {"config": config.to_dict()}
        artefacts.write_model("mgcn", result.model.state_dict(), metadata)
        soft = arrays | {"output": output}
        artefacts.write_arrays("assignments_soft", soft)
        name_clusters(artefacts, soft, config.abstain)
        warn_of_collapse(
            output,
            "clustering",
            "fewer --mgcn.iterations, a lower --mgcn.learning_rate, --mgcn.gcn_init encoder, or a "
            "lower --num-clusters",
            monitor,
            told_of_empty=True,
        )


def pretrained_model(artefacts: RunArtefacts, config: Config) -> PretrainModel:
    """The networks of a finished stage 1, in evaluation mode on the CPU."""
    state, metadata = artefacts.read_model("pretrain")
    model = PretrainModel(config, int(metadata["in_channels"]))
    model.load_state_dict(state)
    return model.eval()


def pretrained_autoencoder(artefacts: RunArtefacts, config: Config) -> AutoEncoder:
    """The auto-encoder that stage 2 begins with, in evaluation mode on the CPU."""
    if config.stages != "features":
        return pretrained_model(artefacts, config).autoencoder
    state, metadata = artefacts.read_model("encoder")
    autoencoder = AutoEncoder(
        int(metadata["in_channels"]),
        config.autoencoder.hidden_channels,
        int(config.num_clusters or 0),
    )
    autoencoder.load_state_dict(state)
    return autoencoder.eval()


@torch.inference_mode()
def code_of(x: np.ndarray, autoencoder: AutoEncoder, runtime: Runtime) -> np.ndarray:
    """The code [N, K] of features [N, D]: the clusters 'without GCNs'.

    Args:
        x: Features; may be memory-mapped.
        autoencoder: Moved to the runtime's device.
        runtime: Gives the device.
    """
    autoencoder = autoencoder.to(runtime.device)
    parts: list[Tensor] = []
    for start in range(0, len(x), _ROWS_AT_A_TIME):
        rows = torch.from_numpy(x[start : start + _ROWS_AT_A_TIME]).to(runtime.device)
        parts.append(autoencoder.encode(rows)[-1].cpu())
    return torch.cat(parts).numpy()
