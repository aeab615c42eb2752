"""What a finished run gives to the one that begins with it: networks, clusters and embeddings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.methods.classifiers import AnyClassifier, ClassifierShape, build_classifier
from iciclegcn.methods.gcc_model import build_gcc_model
from iciclegcn.methods.pretrain_model import PretrainModel
from iciclegcn.nn.image_network import ImageNetwork
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.base import BaseRun, base_of


class EmbeddingNetwork(ImageNetwork):
    """The instance projection of a run, f_e of RUC: images [N, C, S, S] to rows [N, d].

    Args:
        backbone: Images to features.
        projection: Features to rows.
        num_features: d.
    """

    def __init__(self, backbone: nn.Module, projection: nn.Module, num_features: int) -> None:
        super().__init__()
        self.backbone, self.projection = backbone, projection
        self.num_features = num_features

    def forward(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to rows [N, d]."""
        rows: Tensor = self.projection(self.backbone(views))
        return rows


def write_classifier(
    artefacts: RunArtefacts, model: AnyClassifier, config: Config, in_channels: int
) -> None:
    """Write ``checkpoints/classifier.safetensors``.

    Args:
        artefacts: Of the run.
        model: With linear heads or those of an encoder.
        config: The run's configuration, without labels.
        in_channels: Channels of the images.
    """
    members = model.members()
    head = "linear" if isinstance(members[0].head, nn.Linear) else "encoder"
    shape = ClassifierShape(in_channels, head, len(members))
    metadata = {**shape._asdict(), "config": config.to_dict()}
    artefacts.write_model("classifier", model.state_dict(), metadata)


def read_classifier(artefacts: RunArtefacts, config: Config) -> AnyClassifier:
    """The classifier of a finished run, in evaluation mode on the CPU.

    An IcicleGCN run's is the backbone of stage 1 with the encoder that stage 2 left: its code is
    what of IcicleGCN an image alone gives, without the graphs. Its K answers come in the order of
    the run's clusters, which the k-means of stage 2 numbers anew.

    Args:
        artefacts: Of a run whose clusters are there.
        config: Its configuration.

    Raises:
        UserError: If a file is absent or damaged, or the run trained no backbone.
    """
    if config.stages == "features":
        raise UserError(
            f"the run in '{artefacts.path}' has no classifier of images: its features are "
            "given, or a frozen backbone's"
        )
    if config.method == "icicle":
        return _icicle_classifier(artefacts, config)
    state, metadata = artefacts.read_model("classifier")
    model = build_classifier(config, _shape(artefacts, metadata))
    _load(model, state, artefacts, "classifier")
    return model.eval()


def read_embedding_network(run: BaseRun) -> EmbeddingNetwork:
    """The instance projection of a finished run, or of the run that it began with, and so on.

    Raises:
        UserError: If a run in that chain, or a file, is absent.
    """
    config, artefacts = run.config, run.artefacts
    if config.method == "icicle":
        state, metadata = artefacts.read_model("pretrain")
        pretrained = PretrainModel(config, int(metadata["in_channels"]))
        _load(pretrained, state, artefacts, "pretrain")
        head, width = pretrained.instance_head, config.pretrain.projection_channels
        return _embedding(pretrained.backbone, head, width)
    if config.method == "gcc":
        state, metadata = artefacts.read_model("gcc")
        model = build_gcc_model(config, int(metadata["in_channels"]))
        _load(model, state, artefacts, "gcc")
        return _embedding(model.backbone, model.projection, config.gcc.projection_channels)
    return read_embedding_network(base_of(run.path, config))


def read_clusters(artefacts: RunArtefacts) -> tuple[np.ndarray, np.ndarray]:
    """Clusters int64 [N] of a finished run, and their probabilities float32 [N]."""
    clusters = artefacts.read_every_cluster()
    output = artefacts.read_arrays("assignments_soft")["output"]
    return clusters, output[np.arange(len(clusters)), clusters].astype(np.float32)


def _icicle_classifier(artefacts: RunArtefacts, config: Config) -> AnyClassifier:
    pretrained, metadata = artefacts.read_model("pretrain")
    clustered, _ = artefacts.read_model("mgcn")
    state = {name: value for name, value in pretrained.items() if name.startswith("backbone.")}
    encoder = "autoencoder.encoder."
    state |= {
        f"head.layers.{name.removeprefix(encoder)}": value
        for name, value in clustered.items()
        if name.startswith(encoder)
    }
    order = torch.from_numpy(_answers_of_clusters(artefacts))
    last = len(config.autoencoder.hidden_channels)
    for name in (f"head.layers.{last}.weight", f"head.layers.{last}.bias"):
        if name in state:
            state[name] = state[name][order]
    shape = ClassifierShape(int(metadata["in_channels"]), head="encoder")
    model = build_classifier(config, shape)
    _load(model, state, artefacts, "mgcn")
    return model.eval()


def _answers_of_clusters(artefacts: RunArtefacts) -> np.ndarray:
    """Entry of the code that each cluster of an IcicleGCN run agrees with best, one to one [K]."""
    code = artefacts.read_arrays("assignments_soft")["code"]
    clusters = artefacts.read_every_cluster()
    num_clusters = code.shape[1]
    pairs = clusters * num_clusters + code.argmax(axis=1)
    table = np.bincount(pairs, minlength=num_clusters**2).reshape(num_clusters, num_clusters)
    _, order = linear_sum_assignment(table, maximize=True)
    return np.asarray(order, dtype=np.int64)


def _embedding(backbone: nn.Module, projection: nn.Module, width: int) -> EmbeddingNetwork:
    return EmbeddingNetwork(backbone, projection, width).eval()


def _shape(artefacts: RunArtefacts, metadata: Mapping[str, Any]) -> ClassifierShape:
    try:
        return ClassifierShape(**{name: metadata[name] for name in ClassifierShape._fields})
    except KeyError as error:
        raise _damaged(artefacts, "classifier") from error


def _load(
    model: nn.Module, state: Mapping[str, Tensor], artefacts: RunArtefacts, name: str
) -> None:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:  # other names or shapes
        raise _damaged(artefacts, name) from error


def _damaged(artefacts: RunArtefacts, name: str) -> UserError:
    return UserError(
        f"'{artefacts.path}/checkpoints/{name}.safetensors' does not fit the run's configuration; "
        "restore both, or run again"
    )
