import numpy as np
import pytest
from sklearn.datasets import make_blobs

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.errors import UserError
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.methods.feature_clustering import FeatureClustering, cluster_features
from iciclegcn.monitor import NullMonitor
from iciclegcn.presets import preset_config
from iciclegcn.runtime import Runtime

X, Y = make_blobs(150, n_features=6, centers=4, random_state=0)


def config(**changes: object) -> Config:
    small: dict[str, object] = {
        "num_clusters": 4,
        "device": "cpu",
        "precision": "fp32",
        "autoencoder.hidden_channels": [64],
        "encode.epochs": 10,
        "graph.k": [1, 5],
        "mgcn.iterations": 3,
        "mgcn.code_warmup_steps": 200,
        "mgcn.kmeans_restarts": 1,
    }
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return build_config(preset_config("quick", "x.npy", kind="features"), small | named)


def cluster(options: Config, x: np.ndarray = X) -> FeatureClustering:
    runtime = Runtime.create(options.seed, "cpu", "fp32")
    return cluster_features(x, options, runtime, NullMonitor())


def test_groups_are_found_and_described() -> None:
    found = cluster(config())
    assert clustering_metrics(Y, found.assignments)["acc"] > 0.98
    np.testing.assert_array_equal(found.probabilities.argmax(axis=1), found.assignments)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert [stream.shape for stream in found.streams] == [(150, 4), (150, 4)]
    assert found.neighbors.indices.shape == (150, 5)
    np.testing.assert_allclose(found.scaling.undo(found.x), X, rtol=1e-4, atol=1e-4)


def test_the_unit_of_the_features_does_not_matter() -> None:
    found, scaled = cluster(config()), cluster(config(), 1000 * X)
    # Rounding may number the same clusters in another order.
    assert clustering_metrics(found.assignments, scaled.assignments)["acc"] == 1
    confidences = found.probabilities.max(axis=1), scaled.probabilities.max(axis=1)
    np.testing.assert_allclose(*confidences, atol=0.1)


def test_options_that_the_rows_refuse_are_told() -> None:
    with pytest.raises(UserError, match="cosine needs rows with a direction"):
        cluster(config(graph__metric="cosine", data__scaling="none"), np.vstack([X, np.zeros(6)]))
