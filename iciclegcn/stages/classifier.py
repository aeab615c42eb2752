"""The stages of GCC, self-labelling and RUC: a classifier is trained, then names the clusters."""

import dataclasses

import numpy as np
import torch

from iciclegcn.config import Config, DataConfig
from iciclegcn.data.cache import CachedImages, load_or_build_cache
from iciclegcn.data.sources import open_source
from iciclegcn.methods.classifiers import AnyClassifier, classify
from iciclegcn.methods.embedding import embed
from iciclegcn.methods.gcc import train_gcc
from iciclegcn.methods.ruc import Clustering, refine
from iciclegcn.methods.self_label import self_label
from iciclegcn.monitor import NullMonitor, StageMonitor
from iciclegcn.progress import Reporter
from iciclegcn.results.networks import (
    read_classifier,
    read_clusters,
    read_embedding_network,
    write_classifier,
)
from iciclegcn.run_folder.backbone import write_backbone
from iciclegcn.run_folder.base import BaseRun, base_of
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.run_folder.heads import name_clusters
from iciclegcn.runtime import Runtime
from iciclegcn.stages.classifier_tasks import (
    EMBEDDINGS,
    join_classifying,
    join_gcc,
    join_network,
    join_refining,
    join_self_labelling,
)
from iciclegcn.stages.parts import (
    make_runtime,
    runtime_facts,
    summon,
    warn_of_collapse,
    without_labels,
)

_REMEDIES = {
    "gcc": "a later --gcc.first_graph_epoch, a higher --gcc.balance_weight, more --gcc.num_heads, "
    "or a lower --num-clusters",
    "self-label": "a lower --self_label.learning_rate or fewer --self_label.epochs",
    "ruc": "a higher --ruc.least_clean or fewer --ruc.epochs",
}


def train_stage(folder: RunFolder, images: CachedImages, reporter: Reporter) -> None:
    """Images, and the base run where there is one, to ``checkpoints/classifier.safetensors``."""
    config = without_labels(folder.config)
    runtime = make_runtime(config)
    with folder.stage("train", reporter, runtime_facts(runtime)) as monitor:
        if config.method == "gcc":
            model: AnyClassifier = _train_gcc(folder, images, config, runtime, monitor)
            write_backbone(folder.path, config.backbone)
        elif config.method == "self-label":
            model = _self_label(folder, images, config, runtime, monitor)
        else:
            model = _refine(folder, images, config, runtime, monitor)
        write_classifier(folder.artefacts, model, config, images.images.shape[1])


def assign_stage(folder: RunFolder, images: CachedImages, reporter: Reporter) -> None:
    """Images and the classifier to ``features.npy`` and ``assignments.csv``.

    ``assignments_soft.npz`` has the ``output``, every network's own answer where there are
    several, and ``base``, what the base run said.
    """
    config, artefacts = without_labels(folder.config), folder.artefacts
    runtime = make_runtime(config)
    with folder.stage("assign", reporter, runtime_facts(runtime)) as monitor:
        model = read_classifier(artefacts, config)
        summon(join_classifying, config, runtime, images, model)
        found = classify(images.images, model, config, runtime, monitor)
        output = _probabilities(found.answer)
        soft = {"output": output}
        num_networks = found.logits.shape[1]
        if num_networks > 1:
            soft |= {
                f"network_{m}": _probabilities(found.logits[:, m]) for m in range(num_networks)
            }
        if config.base is not None:
            base = base_of(folder.path, config)
            soft["base"] = base.artefacts.read_arrays("assignments_soft")["output"]
        artefacts.write_array("features", found.x)
        artefacts.write_arrays("assignments_soft", soft)
        name_clusters(artefacts, soft, config.abstain)
        # Of lost clusters self-labelling and RUC have told; GCC has seen random views alone.
        told = config.method != "gcc"
        remedies = _REMEDIES[config.method]
        warn_of_collapse(output, "training", remedies, monitor, told_of_empty=told)


def _train_gcc(
    folder: RunFolder,
    images: CachedImages,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
) -> AnyClassifier:
    extra, data = _extra_images(config, images, monitor)
    extra_hash = "" if extra is None else extra.data_hash
    summon(join_gcc, config, runtime, images, data, extra_hash)
    if extra is not None:
        runtime.ranks.barrier()  # the other machines have them too
    more = None if extra is None else extra.images
    model = train_gcc(images.images, config, runtime, monitor, extra_images=more)
    metadata = {"in_channels": images.images.shape[1], "config": config.to_dict()}
    folder.artefacts.write_model("gcc", model.state_dict(), metadata)
    return model.classifier()


def _extra_images(
    config: Config, images: CachedImages, monitor: StageMonitor
) -> tuple[CachedImages | None, DataConfig | None]:
    """The images of ``gcc.extra_source`` in the shape of the others, and how they are found."""
    if config.gcc.extra_source is None:
        return None, None
    _, channels, size, _ = images.images.shape
    data = dataclasses.replace(
        config.data, source=config.gcc.extra_source, cache_size=size, channels=channels
    )
    return load_or_build_cache(open_source(data), data, monitor=monitor), data


def _self_label(
    folder: RunFolder,
    images: CachedImages,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
) -> AnyClassifier:
    base = base_of(folder.path, config)
    classifier = read_classifier(base.artefacts, base.config)
    summon(join_self_labelling, config, runtime, images, classifier)
    return self_label(images.images, classifier, config, runtime, monitor)


def _refine(
    folder: RunFolder,
    images: CachedImages,
    config: Config,
    runtime: Runtime,
    monitor: StageMonitor,
) -> AnyClassifier:
    base = base_of(folder.path, config)
    classifier = read_classifier(base.artefacts, base.config).members()[0]
    clusters, confidences = read_clusters(base.artefacts)
    _embed(folder, base, images, config, runtime)
    run = folder.path.resolve()
    summon(join_refining, config, runtime, images, run, classifier, clusters, confidences)
    embeddings = folder.artefacts.read_array(EMBEDDINGS, mapped=True)
    clustering = Clustering(clusters, confidences, embeddings)
    return refine(images.images, classifier.backbone, clustering, config, runtime, monitor)


def _embed(
    folder: RunFolder, base: BaseRun, images: CachedImages, config: Config, runtime: Runtime
) -> None:
    """The base's embeddings to ``embeddings.npy``, where every rank reads them."""
    network = read_embedding_network(base)
    summon(join_network, config, runtime, images, network)
    rows = embed(images.images, network, config, runtime, NullMonitor())
    folder.artefacts.write_array(EMBEDDINGS, rows)


def _probabilities(logits: np.ndarray) -> np.ndarray:
    return torch.softmax(torch.from_numpy(logits), dim=1).numpy()
