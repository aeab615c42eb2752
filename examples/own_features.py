"""Cluster the rows of a feature matrix, and name the clusters of rows that come later.

    python examples/own_features.py [FEATURES.npy K]

Without arguments the features are the pixels of scikit-learn's digits, and the truth is used at
the end, to say how good the clusters are. `iciclegcn cluster --features FEATURES.npy
--num-clusters K` does the same into a run folder, with a report.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from iciclegcn import IcicleGCN
from iciclegcn.evaluation.metrics import clustering_metrics

HELD_OUT = 10  # of so many rows one comes later


def main() -> None:
    """Print the sizes of the clusters, and figures where the truth is known."""
    if len(sys.argv) > 1:
        features, y = np.load(Path(sys.argv[1])), None
        num_clusters = int(sys.argv[2])
    else:
        features, y = load_digits(return_X_y=True)
        num_clusters = 10
    later = np.arange(len(features)) % HELD_OUT == HELD_OUT - 1
    model = IcicleGCN(num_clusters, random_state=0).fit(features[~later])
    clusters = np.empty(len(features), np.int64)
    clusters[~later] = model.labels_
    clusters[later] = model.predict(features[later])  # they join the graph; nothing is trained
    print("cluster sizes:", np.bincount(clusters, minlength=num_clusters).tolist())
    if y is not None:
        kmeans = KMeans(num_clusters, n_init=10, random_state=0).fit_predict(features)
        everything = np.ones_like(later)
        for name, found, rows in (
            ("k-means", kmeans, everything),
            ("IcicleGCN", clusters, everything),
            ("rows that came later", clusters, later),
        ):
            figures = clustering_metrics(y[rows], found[rows])
            print(f"{name:<22} ACC {figures['acc']:.3f}  NMI {figures['nmi']:.3f}")


if __name__ == "__main__":
    main()
