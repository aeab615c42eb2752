"""k-NN graphs of feature rows: neighbours, one normalised graph a scale, diagnostics."""

from graphs.edges import ScaleGraph, scale_graphs
from graphs.knn import knn
from graphs.modularity import modularity
from graphs.neighbor_index import NeighborIndex
from graphs.neighbors import Neighbors, RecallWarning, SearchReport
from graphs.stats import GraphSummary, connected_components, graph_summary, homophily

__all__ = [
    "GraphSummary",
    "NeighborIndex",
    "Neighbors",
    "RecallWarning",
    "ScaleGraph",
    "SearchReport",
    "connected_components",
    "graph_summary",
    "homophily",
    "knn",
    "modularity",
    "scale_graphs",
]
