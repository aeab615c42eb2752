"""Where stage 2 starts: a first partition of the images and the centres of Eq. 20."""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor
from torch.nn import functional as F

from iciclegcn.config import MGCNConfig
from iciclegcn.monitor import StageMonitor
from iciclegcn.nn.propagate import Propagation, propagate


class InitialPartition(NamedTuple):
    """Hard assignments int64 [N], and the k-means centres [K, width of the rows it ran on]."""

    assignments: NDArray[np.int64]
    centers: NDArray[np.float32]


def initial_partition(
    x: Tensor,
    code: Tensor,
    graph: Propagation,
    options: MGCNConfig,
    *,
    seed: int,
    monitor: StageMonitor,
) -> InitialPartition:
    """Partition the images by k-means on the code, or on the features.

    Features may first be averaged over the graph, ``options.propagation_steps`` times: images
    that are neighbours of neighbours come together, and k-means cuts where edges are few.

    Args:
        x: Features [N, D].
        code: Softmax code [N, K].
        graph: The graph to average over, symmetrically or row normalised.
        options: ``centers``, ``propagation_steps`` and ``kmeans_restarts``.
        seed: Fixes the restarts.
        monitor: Warned when the rows do not fall into K groups.

    Returns:
        The best of the restarts.

    Source:
        IcicleGCN (Xu et al., 2024), below Eq. 20: k-means on the code. The features are this
        library's departure.
    """
    if options.centers == "code":
        rows = code
    else:
        rows = F.normalize(x, dim=1)
        for _ in range(options.propagation_steps):
            rows = propagate(graph, rows)
        rows = F.normalize(rows, dim=1)
    num_clusters = code.size(1)
    kmeans = KMeans(num_clusters, n_init=options.kmeans_restarts, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: told below, in terms of the run.
        warnings.simplefilter("ignore", ConvergenceWarning)
        assignments = kmeans.fit_predict(rows.cpu().numpy()).astype(np.int64)
    if (found := len(np.unique(assignments))) < num_clusters:
        monitor.warn(
            f"k-means on the {options.centers} finds {found} of {num_clusters} clusters: stage 1 "
            "has collapsed; train it longer, or lower '--num-clusters'"
        )
    return InitialPartition(assignments, np.asarray(kmeans.cluster_centers_, dtype=np.float32))


def code_centers(partition: InitialPartition, code: Tensor, options: MGCNConfig) -> Tensor:
    """The centres mu of Eq. 20 in the space of the code.

    Args:
        partition: What `initial_partition` returned.
        code: Softmax code [N, K].
        options: ``centers``.

    Returns:
        [K, K]: the k-means centres when it ran on the code, otherwise the mean code of every
        cluster of the partition; a cluster without images gets the mean of all codes.
    """
    num_clusters = code.size(1)
    if options.centers == "code":
        return torch.from_numpy(partition.centers).to(code)
    assignments = torch.from_numpy(partition.assignments).to(code.device)
    sums = code.new_zeros(num_clusters, num_clusters).index_add_(0, assignments, code)
    sizes = torch.bincount(assignments, minlength=num_clusters)[:, None]
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), code.mean(dim=0))
