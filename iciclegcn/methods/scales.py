"""From a configuration's options to graphs, one a scale."""

from graphs import Neighbors, ScaleGraph, scale_graphs
from iciclegcn.config import GraphConfig


def graphs_of(neighbors: Neighbors, options: GraphConfig) -> list[ScaleGraph]:
    """One normalised graph a scale.

    Args:
        neighbors: Of a search at the largest k or more.
        options: Scales and weights.

    Raises:
        ValueError: If the weights do not fit the distances.
    """
    return scale_graphs(
        neighbors,
        options.k,
        symmetrize=options.symmetrize,
        edge_weight=options.edge_weight,
        heat_time=options.heat_time,
        normalization=options.normalization,
    )
