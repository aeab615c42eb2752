"""IcicleGCN on a matrix of features, in memory: neighbours, auto-encoder, M-GCN."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from graphs import Neighbors, knn
from iciclegcn.config import Config
from iciclegcn.data.feature_scaling import FeatureScaling, fit_scaling
from iciclegcn.methods.feature_encoding import encode_features
from iciclegcn.methods.icicle import train_mgcn
from iciclegcn.methods.mgcn_result import output_probabilities
from iciclegcn.methods.scales import graphs_of
from iciclegcn.methods.search_warnings import telling
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.mgcn import MGCN
from iciclegcn.runtime import Runtime


class FeatureClustering(NamedTuple):
    """What is known of N rows, and what rows that come later need; tensors are on the CPU.

    Attributes:
        assignments: Cluster of each row, int64 [N].
        probabilities: Soft assignments that name them, float32 [N, K].
        streams: Soft assignments [N, K] of every graph stream.
        q: Student-t soft assignments of the code [N, K].
        code: Softmax code of the auto-encoder [N, K].
        model: The trained network, on the runtime's device.
        x: The rows as the network saw them, float32 [N, D].
        scaling: Takes rows as they came to those.
        neighbors: Their neighbours, at the largest k.
    """

    assignments: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    streams: list[Tensor]
    q: Tensor
    code: Tensor
    model: MGCN
    x: NDArray[np.float32]
    scaling: FeatureScaling
    neighbors: Neighbors


def cluster_features(
    x: NDArray[np.floating], config: Config, runtime: Runtime, monitor: StageMonitor
) -> FeatureClustering:
    """Cluster the rows of a matrix.

    The same steps, in the same order, as a run on features takes from ``extract`` to ``cluster``.

    Args:
        x: Features, finite [N, D].
        config: ``num_clusters`` must be resolved, and at most N; ``graph.k`` below N.
        runtime: Seed, device and precision.
        monitor: Told about progress and warnings; of its saved state there must be none.

    Raises:
        UserError: If the graph's options do not fit the rows.
        FloatingPointError: If a loss is no longer finite.
    """
    scaling = fit_scaling([x], x.shape[1], config.data.scaling)
    rows = scaling.apply(x)
    graph = config.graph
    with telling(monitor):
        neighbors = knn(
            rows,
            max(graph.k),
            metric=graph.metric,
            index=graph.index,
            memory_gib=graph.memory_gib,
            target_recall=graph.target_recall,
            seed=config.seed,
        )
        graphs = graphs_of(neighbors, graph)
    autoencoder = encode_features(rows, neighbors.indices, config, runtime, monitor)
    found = train_mgcn(rows, graphs, autoencoder, config, runtime, monitor)
    probabilities = output_probabilities(found, config.mgcn.output).numpy()
    return FeatureClustering(
        probabilities.argmax(axis=1),
        probabilities,
        found.streams,
        found.q,
        found.code,
        found.model,
        rows,
        scaling,
        neighbors,
    )
