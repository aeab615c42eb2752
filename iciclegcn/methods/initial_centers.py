"""Where the Student-t centres of stage 2 start: k-means on the code or on the features."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize

from iciclegcn.monitor import StageMonitor


def initial_centers(
    x: NDArray[np.float32],
    code: NDArray[np.float32],
    *,
    source: str,
    restarts: int,
    seed: int,
    monitor: StageMonitor,
) -> NDArray[np.float32]:
    """Start centres [K, K] in the space of the code.

    Args:
        x: Features [N, D].
        code: Softmax code [N, K].
        source: ``code``: k-means on the code. ``features``: k-means on the features, rows scaled
            to length 1, and every centre the mean code of one of those clusters.
        restarts: Restarts of k-means; the best one is kept.
        seed: Fixes the restarts.
        monitor: Warned when the rows do not fall into K groups.

    Returns:
        The centres, float32 [K, K].

    Source:
        IcicleGCN (Xu et al., 2024), below Eq. 20 (20 restarts on the code).
    """
    num_clusters = code.shape[1]
    rows = normalize(x) if source == "features" else code
    kmeans = KMeans(num_clusters, n_init=restarts, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: told below, in terms of the run.
        warnings.simplefilter("ignore", ConvergenceWarning)
        assignments = kmeans.fit_predict(rows)
    sizes = np.bincount(assignments, minlength=num_clusters)
    if (found := int((sizes > 0).sum())) < num_clusters:
        monitor.warn(
            f"k-means on the {source} finds {found} of {num_clusters} clusters: stage 1 has "
            "collapsed; train it longer, or lower '--num-clusters'"
        )
    if source == "code":
        return np.asarray(kmeans.cluster_centers_, dtype=np.float32)
    centers = np.tile(code.mean(axis=0), (num_clusters, 1))  # a cluster without rows stays here
    for cluster in np.flatnonzero(sizes):
        centers[cluster] = code[assignments == cluster].mean(axis=0)
    return centers.astype(np.float32)
