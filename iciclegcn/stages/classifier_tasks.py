"""What the other ranks do while rank 0 is in a stage of a classifier: their part, and no files."""

from pathlib import Path

import numpy as np

from iciclegcn.config import Config, DataConfig
from iciclegcn.methods.classifiers import AnyClassifier, classify
from iciclegcn.methods.embedding import embed
from iciclegcn.methods.gcc import train_gcc
from iciclegcn.methods.ruc import Clustering, refine
from iciclegcn.methods.self_label import self_label
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.classifier import Classifier
from iciclegcn.nn.image_network import ImageNetwork
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.stages.rank_tasks import images_of, join, require_shared

EMBEDDINGS = "embeddings"


def join_gcc(
    config: Config, precision: str, data_hash: str, extra: DataConfig | None, extra_hash: str
) -> None:
    """Train with the other ranks; see `iciclegcn.methods.gcc.train_gcc`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in: this machine might choose another.
        data_hash: What rank 0's images hash to.
        extra: More images; None: none.
        extra_hash: What they hash to.

    Raises:
        UserError: If the images here are not those of rank 0.
    """
    runtime, images = join(config, precision, data_hash)
    more = None if extra is None else images_of(extra, extra_hash, runtime.ranks)
    train_gcc(images, config, runtime, NullMonitor(), extra_images=more)


def join_self_labelling(
    config: Config, precision: str, data_hash: str, classifier: AnyClassifier
) -> None:
    """Train with the other ranks; see `iciclegcn.methods.self_label.self_label`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in.
        data_hash: What rank 0's images hash to.
        classifier: The base run's, on the CPU.

    Raises:
        UserError: If the images here are not those of rank 0.
    """
    runtime, images = join(config, precision, data_hash)
    self_label(images, classifier, config, runtime, NullMonitor())


def join_refining(
    config: Config,
    precision: str,
    data_hash: str,
    run: Path,
    classifier: Classifier,
    clusters: np.ndarray,
    confidences: np.ndarray,
) -> None:
    """Train with the other ranks; see `iciclegcn.methods.ruc.refine`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in.
        data_hash: What rank 0's images hash to.
        run: The run folder, which is read only: it has the embeddings.
        classifier: The base run's, on the CPU.
        clusters: The base run's, int64 [N].
        confidences: Their probabilities, float32 [N].

    Raises:
        UserError: If the images here are not those of rank 0, or the run folder cannot be read.
    """
    runtime, images = join(config, precision, data_hash)
    artefacts = RunArtefacts(run)
    require_shared(artefacts, runtime.ranks, f"{EMBEDDINGS}.npy")
    embeddings = artefacts.read_array(EMBEDDINGS, mapped=True)
    clustering = Clustering(clusters, confidences, embeddings)
    refine(images, classifier.backbone, clustering, config, runtime, NullMonitor())


def join_network(config: Config, precision: str, data_hash: str, network: ImageNetwork) -> None:
    """Run a network over images with the other ranks; see `iciclegcn.methods.embedding.embed`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in.
        data_hash: What rank 0's images hash to.
        network: On the CPU.

    Raises:
        UserError: If the images here are not those of rank 0.
    """
    runtime, images = join(config, precision, data_hash)
    embed(images, network, config, runtime, NullMonitor())


def join_classifying(
    config: Config, precision: str, data_hash: str, classifier: AnyClassifier
) -> None:
    """Classify images with the other ranks; see `iciclegcn.methods.classifiers.classify`.

    Args:
        config: The run's configuration, without labels.
        precision: What rank 0 computes in.
        data_hash: What rank 0's images hash to.
        classifier: On the CPU.

    Raises:
        UserError: If the images here are not those of rank 0.
    """
    runtime, images = join(config, precision, data_hash)
    classify(images, classifier, config, runtime, NullMonitor())
