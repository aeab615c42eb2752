"""The graphs of a run, made of the neighbours that its folder holds."""

from graphs import Neighbors, ScaleGraph, scale_graphs
from iciclegcn.config import GraphConfig
from iciclegcn.run_artefacts import RunArtefacts


def read_scale_graphs(artefacts: RunArtefacts, options: GraphConfig) -> list[ScaleGraph]:
    """One normalised graph a scale.

    Args:
        artefacts: Of a run whose graph stage is done.
        options: Scales and weights.

    Raises:
        ValueError: If the weights do not fit the distances.
        UserError: If the neighbours are absent or damaged.
    """
    arrays = artefacts.read_arrays("neighbors")
    return scale_graphs(
        Neighbors(arrays["indices"], arrays["squared_distances"]),
        options.k,
        symmetrize=options.symmetrize,
        edge_weight=options.edge_weight,
        heat_time=options.heat_time,
        normalization=options.normalization,
    )
