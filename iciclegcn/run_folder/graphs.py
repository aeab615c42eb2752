"""The graphs of a run, made of the neighbours that its folder holds."""

from graphs import Neighbors, ScaleGraph
from iciclegcn.config import GraphConfig
from iciclegcn.methods.scales import graphs_of
from iciclegcn.run_folder.artefacts import RunArtefacts


def read_neighbors(artefacts: RunArtefacts) -> Neighbors:
    """The neighbours of a run whose graph stage is done.

    Raises:
        UserError: If they are absent or damaged.
    """
    arrays = artefacts.read_arrays("neighbors")
    return Neighbors(arrays["indices"], arrays["squared_distances"])


def read_scale_graphs(artefacts: RunArtefacts, options: GraphConfig) -> list[ScaleGraph]:
    """One normalised graph a scale.

    Args:
        artefacts: Of a run whose graph stage is done.
        options: Scales and weights.

    Raises:
        ValueError: If the weights do not fit the distances.
        UserError: If the neighbours are absent or damaged.
    """
    return graphs_of(read_neighbors(artefacts), options)
