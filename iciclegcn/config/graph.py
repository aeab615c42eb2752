"""The k-NN graphs."""

from dataclasses import dataclass

from iciclegcn.config.checks import one_of, require


@dataclass(frozen=True)
class GraphConfig:
    """The k-NN graphs, one per stream (Eq. 8, 12-13).

    Attributes:
        k: Neighbours of each scale, self excluded.
        metric: ``l2``, or ``cosine`` (features normalised before the search).
        symmetrize: ``union`` or ``mutual`` of the directed lists.
        edge_weight: ``binary`` or ``heat`` (Eq. 8).
        heat_time: t of Eq. 8.
        normalization: ``symmetric`` (Eq. 12) or ``row`` (published code).
    """

    k: tuple[int, ...] = (1, 10)
    metric: str = "l2"
    symmetrize: str = "union"
    edge_weight: str = "binary"
    heat_time: float = 1.0
    normalization: str = "symmetric"

    def __post_init__(self) -> None:
        require(len(self.k) >= 1, "graph.k", "one scale or more", self.k)
        require(min(self.k) >= 1, "graph.k", "positive", self.k)
        one_of("graph.metric", self.metric, ("l2", "cosine"))
        one_of("graph.symmetrize", self.symmetrize, ("union", "mutual"))
        one_of("graph.edge_weight", self.edge_weight, ("binary", "heat"))
        one_of("graph.normalization", self.normalization, ("symmetric", "row"))
        require(self.heat_time > 0, "graph.heat_time", "positive", self.heat_time)
