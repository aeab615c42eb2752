"""The trained networks of a finished run that new images pass through."""

from collections.abc import Mapping

import torch
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.errors import UserError
from iciclegcn.methods.classifiers import AnyClassifier
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.image_network import ImageNetwork
from iciclegcn.nn.mgcn import MGCN
from iciclegcn.results.networks import read_classifier
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.backbone import frozen_backbone
from iciclegcn.run_folder.base import BaseRun
from iciclegcn.stages.icicle import pretrained_model


class ClassifierFeatures(ImageNetwork):
    """The features of a classifier: images [N, C, S, S] to x [N, D].

    Args:
        classifier: One network, or several, whose features stand side by side.
    """

    def __init__(self, classifier: AnyClassifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.num_features = classifier.num_features

    def forward(self, views: Tensor) -> Tensor:
        """Images [N, C, S, S] to features x [N, D]."""
        return self.classifier.features(views)


def read_feature_network(run: BaseRun) -> ImageNetwork:
    """What gave a run its features: evaluation views of images [N, C, S, S] to x [N, D].

    Stage 1's backbone, the frozen backbone of a run that trains none, or the backbones of a
    classifier.

    Args:
        run: A finished run.

    Returns:
        The network, in evaluation mode on the CPU.

    Raises:
        UserError: If the run was given its features, a file is absent or damaged, or a frozen
            backbone's weights are no longer the same.
    """
    config, artefacts = run.config, run.artefacts
    if config.data.kind == "features":
        raise UserError(
            f"the run in '{run.path}' was given features and has no network for images; give it "
            "the features of new ones"
        )
    if config.method != "icicle":
        return ClassifierFeatures(read_classifier(artefacts, config)).eval()
    if config.stages == "features":
        return frozen_backbone(run.path, config)
    return pretrained_model(artefacts, config)


def read_mgcn(artefacts: RunArtefacts, config: Config) -> MGCN:
    """The network that stage 2 of a finished run trained, in evaluation mode on the CPU.

    Args:
        artefacts: Of an IcicleGCN run whose clusters are there.
        config: Its configuration.

    Raises:
        UserError: If the file is absent or damaged.
    """
    state, _ = artefacts.read_model("mgcn")
    options = config.mgcn
    try:
        with torch.device("meta"):  # nothing is drawn, and nothing is held twice
            model = MGCN(
                AutoEncoder(*_widths(state)),
                len(config.graph.k),
                sigma=options.sigma,
                gamma=options.gamma,
                autoencoder_weight=options.autoencoder_weight,
                shared_weights=options.shared_weights,
                degrees_of_freedom=options.degrees_of_freedom,
            )
        model.load_state_dict(state, assign=True)
    except (KeyError, RuntimeError, ValueError) as error:  # other names or shapes
        raise UserError(
            f"'{artefacts.path}/checkpoints/mgcn.safetensors' does not fit the run's "
            "configuration; restore both, or run again"
        ) from error
    return model.eval()


def _widths(state: Mapping[str, Tensor]) -> tuple[int, list[int], int]:
    """Widths of the auto-encoder in a state: D, the hidden ones and K."""
    widths = [state["autoencoder.encoder.0.weight"].size(1)]
    while (name := f"autoencoder.encoder.{len(widths) - 1}.weight") in state:
        widths.append(state[name].size(0))
    return widths[0], widths[1:-1], widths[-1]
