"""The neighbour term of stage 2: assignments agree across scales and between neighbours."""

from collections.abc import Sequence

import torch
from torch import Tensor

from iciclegcn.losses.contrastive import cluster_loss


def neighbor_consistency_loss(streams: Sequence[Tensor], code: Tensor, partner: Tensor) -> Tensor:
    """Cluster loss of Eq. 5 between every node and one of its neighbours, across scales.

    Args:
        streams: Soft assignments [N, K] of every stream, one or more.
        code: Softmax code [N, K].
        partner: A neighbour of every node, int64 [N].

    Returns:
        The mean over the pairs: stream u against stream v of the partner for all u != v (a single
        stream against itself), and the code against the code of the partner. A scalar, at least
        -2 log K.

    Raises:
        ValueError: If the shapes differ or are not [N, K].

    Source:
        This library's; IcicleGCN (Xu et al., 2024) uses Eq. 4-5 between two views in stage 1 only.
    """
    num_streams = len(streams)
    pairs = [
        (u, v) for u in range(num_streams) for v in range(num_streams) if u != v or num_streams == 1
    ]
    terms = [cluster_loss(streams[u], streams[v][partner]) for u, v in pairs]
    terms.append(cluster_loss(code, code[partner]))
    return torch.stack(terms).mean()
