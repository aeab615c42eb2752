"""What a finished run says of new images, or rows, whatever its method."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from graphs import NeighborIndex
from iciclegcn.methods.classifiers import classify
from iciclegcn.methods.embedding import embed
from iciclegcn.methods.mgcn_result import select_output
from iciclegcn.methods.new_nodes import NewNodes
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.prediction.feature_network import read_feature_network, read_mgcn
from iciclegcn.results.networks import read_classifier
from iciclegcn.run_folder.backbone import feature_precision
from iciclegcn.run_folder.base import BaseRun
from iciclegcn.run_folder.graphs import read_neighbors
from iciclegcn.run_folder.scaling import read_scaling
from iciclegcn.runtime import Runtime
from iciclegcn.stages.parts import user_errors
from iciclegcn.stages.rank_tasks import index_folder

Array = NDArray[np.generic]

# Images at a time; large trained networks are shown large images.
_BATCH, _FROZEN_BATCH = 512, 64


class Answer(NamedTuple):
    """What is said of n new items.

    Attributes:
        probabilities: Soft assignments that name the clusters, float32 [n, K].
        heads: Those of the streams, or of the networks, behind them.
    """

    probabilities: NDArray[np.float32]
    heads: list[NDArray[np.float32]]


class Predictor(Protocol):
    """Answers for a batch of pixels uint8 [n, C, S, S], or of rows float32 [n, D]."""

    def __call__(self, items: Array) -> Answer:
        """One answer an item, in order; n is 1 or more."""


class ClassifierPredictor:
    """GCC, self-labelling and RUC: the classifier answers for an image alone.

    Args:
        run: A finished run of one of these.
        runtime: Device and precision.
    """

    def __init__(self, run: BaseRun, runtime: Runtime) -> None:
        self._config, self._runtime = run.config, runtime
        self._model = read_classifier(run.artefacts, run.config)

    def __call__(self, items: Array) -> Answer:
        """Softmax of the networks' joint logits, and of each network's."""
        monitor = NullMonitor()
        found = classify(items, self._model, self._config, self._runtime, monitor)
        logits, networks = found.logits, found.logits.shape[1]
        each = [_softmax(logits[:, m]) for m in range(networks)] if networks > 1 else []
        return Answer(_softmax(found.answer), each)


class GraphPredictor:
    """IcicleGCN: new nodes join the run's graph, see `iciclegcn.methods.new_nodes`.

    Args:
        run: A finished run.
        runtime: Device and precision.

    Raises:
        UserError: If a file of the run is absent or damaged.
    """

    def __init__(self, run: BaseRun, runtime: Runtime) -> None:
        self._config, self._runtime = run.config, runtime
        given = run.config.data.kind == "features"
        self._network = None if given else read_feature_network(run)
        self._scaling = read_scaling(run.artefacts) if given else None
        frozen = run.config.stages == "features"
        self._batch_size = _FROZEN_BATCH if frozen else _BATCH
        if isinstance(self._network, PretrainedNetwork):
            # Half precision was held against float32 on the run's images, and no other was.
            self._network.full_precision |= feature_precision(run.path) != runtime.precision
        x = run.artefacts.read_array("features", mapped=True)
        with user_errors():
            self._nodes = NewNodes(
                read_mgcn(run.artefacts, run.config),
                x,
                read_neighbors(run.artefacts),
                run.config,
                runtime,
                index=_saved_index(run, x),
            )

    def __call__(self, items: Array) -> Answer:
        """The output of the M-GCN, and that of every stream."""
        x = self._features(items)
        with user_errors():
            found = self._nodes.assign(x)
        output = select_output(found.streams, found.q, self._config.mgcn.output)
        return Answer(output.numpy(), [stream.numpy() for stream in found.streams])

    def _features(self, items: Array) -> NDArray[np.float32]:
        """Features [n, D] as the run's own: of pixels, or of rows as they were given."""
        if self._network is None:
            rows = items.astype(np.float32, copy=False)
            return rows if self._scaling is None else self._scaling.apply(rows)
        monitor, size = NullMonitor(), self._batch_size
        return embed(items, self._network, self._config, self._runtime, monitor, size)


def make_predictor(run: BaseRun) -> Predictor:
    """What answers for a finished run.

    Args:
        run: Of any method.

    Raises:
        UserError: If a file of the run is absent or damaged.
    """
    config = run.config
    runtime = Runtime.resolve(config.seed, config.device, config.precision)
    # Networks are built with random weights before they get theirs: no draw of the caller's.
    with torch.random.fork_rng(devices=[]):
        return (GraphPredictor if config.method == "icicle" else ClassifierPredictor)(run, runtime)


def _saved_index(run: BaseRun, x: NDArray[np.float32]) -> NeighborIndex | None:
    """The index that the graph stage left, if it is of these features; exact ones leave none."""
    folder = index_folder(run.path)
    if not folder.is_dir():
        return None
    try:
        return NeighborIndex.load(folder, x, memory_gib=run.config.graph.memory_gib)
    except ValueError:  # of a search before this one, or damaged: a new one is as good
        return None


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    probabilities: NDArray[np.float32] = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    return probabilities
