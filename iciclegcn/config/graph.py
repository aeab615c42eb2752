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
        index: ``auto`` (exact while that is affordable, ``ivf_pq`` beyond), ``exact``,
            ``ivf_flat``, ``ivf_sq8``, ``ivf_pq`` or ``hnsw``.
        target_recall: Share of the true neighbours that an approximate index must find.
        memory_gib: What the search may allocate besides the features; None: half of what is free.
    """

    k: tuple[int, ...] = (1, 10)
    metric: str = "l2"
    symmetrize: str = "union"
    edge_weight: str = "binary"
    heat_time: float = 1.0
    normalization: str = "symmetric"
    index: str = "auto"
    target_recall: float = 0.95
    memory_gib: float | None = None

    def __post_init__(self) -> None:
        require(len(self.k) >= 1, "graph.k", "one scale or more", self.k)
        require(min(self.k) >= 1, "graph.k", "positive", self.k)
        one_of("graph.metric", self.metric, ("l2", "cosine"))
        one_of("graph.symmetrize", self.symmetrize, ("union", "mutual"))
        one_of("graph.edge_weight", self.edge_weight, ("binary", "heat"))
        one_of("graph.normalization", self.normalization, ("symmetric", "row"))
        one_of(
            "graph.index",
            self.index,
            ("auto", "exact", "ivf_flat", "ivf_sq8", "ivf_pq", "hnsw"),
        )
        require(0 < self.target_recall <= 1, "graph.target_recall", "in (0, 1]", self.target_recall)
        require(
            self.memory_gib is None or self.memory_gib > 0,
            "graph.memory_gib",
            "positive",
            self.memory_gib,
        )
        require(self.heat_time > 0, "graph.heat_time", "positive", self.heat_time)
