"""k-NN graphs of feature rows: neighbours, one normalised graph a scale, diagnostics."""

from graphs.edges import ScaleGraph, scale_graphs
from graphs.knn import Neighbors, knn

__all__ = ["Neighbors", "ScaleGraph", "knn", "scale_graphs"]
