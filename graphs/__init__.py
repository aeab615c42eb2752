"""k-NN graphs of feature rows: neighbours, one normalised graph a scale, diagnostics."""

from graphs.edges import ScaleGraph, scale_graphs
from graphs.knn import Neighbors, knn
from graphs.modularity import modularity
from graphs.stats import GraphSummary, connected_components, graph_summary, homophily

__all__ = [
    "GraphSummary",
    "Neighbors",
    "ScaleGraph",
    "connected_components",
    "graph_summary",
    "homophily",
    "knn",
    "modularity",
    "scale_graphs",
]
