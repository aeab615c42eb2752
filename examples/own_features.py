"""Cluster the rows of a feature matrix: neighbours, graphs of two scales, M-GCN.

    python examples/own_features.py [FEATURES.npy K]

Without arguments the features are the pixels of scikit-learn's digits, and the truth is used at
the end, to say how good the clusters are.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from graphs import knn, scale_graphs
from iciclegcn.config import Config
from iciclegcn.evaluation.metrics import clustering_metrics
from iciclegcn.methods.icicle import output_probabilities, train_mgcn
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn import AutoEncoder
from iciclegcn.presets import preset_config
from iciclegcn.runtime import Runtime


def cluster_features(features: np.ndarray, num_clusters: int, config: Config) -> np.ndarray:
    """Soft assignments [N, K] of features [N, D]."""
    # Columns of zero mean, and a common scale: distances keep their ranks.
    x = (features - features.mean(axis=0)) / features.std()
    x = x.astype(np.float32)
    graphs = scale_graphs(knn(x, max(config.graph.k)), config.graph.k)
    runtime = Runtime.create(config.seed, config.device, config.precision)
    # Stage 1 would have trained it; here stage 2's code_warmup_steps do, from k-means.
    autoencoder = AutoEncoder(x.shape[1], config.autoencoder.hidden_channels, num_clusters)
    result = train_mgcn(torch.from_numpy(x), graphs, autoencoder, config, runtime, NullMonitor())
    return output_probabilities(result, config.mgcn.output).numpy()


def main() -> None:
    """Print the sizes of the clusters, and figures where the truth is known."""
    config = preset_config("quick", "digits")
    if len(sys.argv) > 1:
        features, y = np.load(Path(sys.argv[1])), None
        num_clusters = int(sys.argv[2])
    else:
        features, y = load_digits(return_X_y=True)
        num_clusters = 10
    clusters = cluster_features(features, num_clusters, config).argmax(axis=1)
    print("cluster sizes:", np.bincount(clusters, minlength=num_clusters).tolist())
    if y is not None:
        kmeans = KMeans(num_clusters, n_init=10, random_state=0).fit_predict(features)
        for name, found in (("k-means on pixels", kmeans), ("M-GCN", clusters)):
            figures = clustering_metrics(y, found)
            print(f"{name:<18} ACC {figures['acc']:.3f}  NMI {figures['nmi']:.3f}")


if __name__ == "__main__":
    main()
