"""The stages' bodies: read the earlier results, call the method, write the next result."""

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphs import NeighborIndex, Neighbors, RecallWarning, graph_summary, scale_graphs
from iciclegcn.config import Config
from iciclegcn.data.cache import CachedImages
from iciclegcn.distributed.ranks import current_ranks
from iciclegcn.errors import UserError
from iciclegcn.evaluation.label_free import collapse
from iciclegcn.methods.icicle import output_probabilities, train_mgcn
from iciclegcn.methods.pretraining import PretrainModel, embed, pretrain
from iciclegcn.methods.sharded_knn import sharded_neighbors
from iciclegcn.monitor import StageMonitor
from iciclegcn.progress import Reporter
from iciclegcn.rank_tasks import (
    index_folder,
    join_clustering,
    join_embedding,
    join_pretraining,
    join_search,
)
from iciclegcn.run_artefacts import RunArtefacts
from iciclegcn.run_folder import RunFolder
from iciclegcn.run_graphs import read_scale_graphs
from iciclegcn.runtime import Runtime

_ROWS_AT_A_TIME = 8192


def pretrain_stage(folder: RunFolder, images: CachedImages, reporter: Reporter) -> None:
    """Stage 1: images to ``checkpoints/pretrain.safetensors``."""
    config = _without_labels(folder.config)
    runtime = _runtime(config)
    with folder.stage("pretrain", reporter, _facts(runtime)) as monitor:
        _summon(join_pretraining, config, runtime, images)
        model = pretrain(images.images, config, runtime, monitor)
        in_channels = images.images.shape[1]
        metadata = {"in_channels": in_channels, "config": config.to_dict()}
        folder.artefacts.write_model("pretrain", model.state_dict(), metadata)


def embed_stage(folder: RunFolder, images: CachedImages, reporter: Reporter) -> None:
    """Images and the pretrained model to ``features.npy`` and ``pretrained_code.npy``."""
    config = _without_labels(folder.config)
    runtime = _runtime(config)
    with folder.stage("embed", reporter, _facts(runtime)) as monitor:
        model = pretrained_model(folder.artefacts, config)
        in_channels = images.images.shape[1]
        _summon(join_embedding, config, runtime, images, in_channels, model.state_dict())
        x = embed(images.images, model, config, runtime, monitor)
        code = _code(x, model, runtime)
        folder.artefacts.write_array("features", x)
        folder.artefacts.write_array("pretrained_code", code)
        _warn_of_collapse(
            code,
            "pretraining",
            "more --pretrain.epochs, a larger --pretrain.batch_size, a higher "
            "--pretrain.cluster_weight, or a lower --num-clusters",
            monitor,
        )


def graph_stage(folder: RunFolder, reporter: Reporter) -> None:
    """Features to ``neighbors.npz``, one search at the largest k, and ``graph.json``."""
    options = folder.config.graph
    artefacts = folder.artefacts
    with folder.stage("graph", reporter) as monitor, _user_errors(), _recall_warnings(monitor):
        indices, squared_distances, report = _neighbors(folder)
        artefacts.write_arrays(
            "neighbors", {"indices": indices, "squared_distances": squared_distances}
        )
        neighbors = Neighbors(indices, squared_distances)
        # Edges alone, one scale at a time: weights are for training.
        summaries = [
            graph_summary(
                scale_graphs(neighbors, (k,), symmetrize=options.symmetrize)[0].edge_index,
                len(indices),
            )
            for k in options.k
        ]
        scales = [
            {"k": k, **summary._asdict()} for k, summary in zip(options.k, summaries, strict=True)
        ]
        search = None if report is None else report._asdict()
        artefacts.write_graph({"search": search, "scales": scales})
        monitor.note(str(report))
        for k, summary in zip(options.k, summaries, strict=True):
            monitor.note(f"k = {k}: {summary}")


def _neighbors(folder: RunFolder) -> Neighbors:
    """The neighbours at the largest k, searched for by all ranks."""
    options, ranks = folder.config.graph, current_ranks()
    x, k = folder.artefacts.read_array("features", mapped=True), max(options.k)
    index = NeighborIndex.build(
        x,
        k,
        metric=options.metric,
        index=options.index,
        memory_gib=options.memory_gib,
        target_recall=options.target_recall,
        seed=folder.config.seed,
    )
    if ranks.size == 1:
        return index.neighbors()
    run = folder.path.resolve()
    index.save(index_folder(run))
    ranks.summon(join_search, run, k)
    return sharded_neighbors(index, x, k, ranks)


def cluster_stage(folder: RunFolder, reporter: Reporter) -> None:
    """Stage 2: features, neighbours and the pretrained auto-encoder to ``assignments.csv``."""
    config = _without_labels(folder.config)
    runtime = _runtime(config)
    artefacts = folder.artefacts
    with folder.stage("cluster", reporter, _facts(runtime)) as monitor:
        with _user_errors():
            graphs = read_scale_graphs(artefacts, config.graph)
        autoencoder = pretrained_model(folder.artefacts, config).autoencoder
        run = folder.path.resolve()
        runtime.ranks.summon(join_clustering, config, runtime.precision, run)
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
        artefacts.write_arrays("assignments_soft", arrays | {"output": output})
        artefacts.write_assignments(artefacts.read_listing().paths, output)
        _warn_of_collapse(
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


@torch.inference_mode()
def _code(x: np.ndarray, model: PretrainModel, runtime: Runtime) -> np.ndarray:
    """The stage-1 code [N, K] of features [N, D]: the clusters 'without GCNs'."""
    autoencoder = model.autoencoder.to(runtime.device)
    parts: list[Tensor] = []
    for start in range(0, len(x), _ROWS_AT_A_TIME):
        rows = torch.from_numpy(x[start : start + _ROWS_AT_A_TIME]).to(runtime.device)
        parts.append(autoencoder.encode(rows)[-1].cpu())
    return torch.cat(parts).numpy()


def _warn_of_collapse(
    probabilities: np.ndarray,
    when: str,
    remedies: str,
    monitor: StageMonitor,
    *,
    told_of_empty: bool = False,
) -> None:
    num_clusters = probabilities.shape[1]
    found = collapse(probabilities.argmax(axis=1), num_clusters)
    if found.collapsed and not (told_of_empty and found.empty_clusters):
        empty, verb = found.empty_clusters, "is" if found.empty_clusters == 1 else "are"
        dead = f"{empty} of {num_clusters} clusters {verb} empty and " if empty else ""
        monitor.warn(
            f"after {when} {dead}the largest cluster holds {found.largest_share:.0%} of the "
            f"images; try {remedies}"
        )


def _runtime(config: Config) -> Runtime:
    return Runtime.create(config.seed, config.device, config.precision)


def _summon(
    task: Callable[..., None],
    config: Config,
    runtime: Runtime,
    images: CachedImages,
    *arguments: object,
) -> None:
    """Let the other ranks join in, once each of their machines has the images."""
    runtime.ranks.summon(task, config, runtime.precision, images.data_hash, *arguments)
    runtime.ranks.barrier()


def _facts(runtime: Runtime) -> dict[str, Any]:
    """What a continued stage must share with its beginning for the same bits."""
    return {
        "device": str(runtime.device),
        "precision": runtime.precision,
        "threads": torch.get_num_threads(),
        "processes": runtime.ranks.size,
    }


def _without_labels(config: Config) -> Config:
    """What training may know: nothing of the truth, not even where it is."""
    data = dataclasses.replace(config.data, labels=None, labels_from_folders=False)
    return dataclasses.replace(config, data=data)


@contextmanager
def _recall_warnings(monitor: StageMonitor) -> Iterator[None]:
    """Tell of a search that falls short, with the options that help."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecallWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, RecallWarning):
            monitor.warn(f"{warning.message} (--graph.index, --graph.target_recall)")
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


@contextmanager
def _user_errors() -> Iterator[None]:
    """Options that only the data can refuse, such as a heat kernel that is 0 everywhere."""
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from error
