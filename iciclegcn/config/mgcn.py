"""Stage 2."""

from dataclasses import dataclass

from iciclegcn.config.checks import one_of, require


@dataclass(frozen=True)
class MGCNConfig:
    """Stage 2: the multi-scale GCN (Eq. 9-26, Algorithm 1 steps 7-10).

    Attributes:
        sigma: Weight of a stream's own state in the fusion (Eq. 15-16).
        gamma: Weight of the other streams' mean.
        autoencoder_weight: Weight of the auto-encoder's state; None: 1 - sigma - gamma.
        shared_weights: One set of GCN weights for all streams.
        gcn_init: ``random``, or ``encoder`` (start from the encoder's weights).
        centers: From which partition: ``code`` (k-means on the code, Eq. 20), ``features``
            (k-means on the normalised features, averaged over the largest graph), ``either``:
            that, or the largest entries of the code, averaged likewise, or ``graph``: k-means on
            eigenvectors of the largest graph, or these entries of the code, and then moves of
            single nodes. In the last three the centres are the clusters' mean code.
        propagation_steps: How often features and code are averaged over the largest graph; of
            all the partitions that come of it the graph's modularity picks one. (0,) in the paper.
        code_warmup_steps: Steps in which the code first learns that partition; 0 in the paper.
        kmeans_restarts: Restarts of that k-means.
        degrees_of_freedom: t of Eq. 20.
        iterations: Steps of Adam, whether a step sees all nodes or some cells of them.
        learning_rate: Adam's.
        reconstruction: ``squared_norm`` (Eq. 11) or ``entry_mean``.
        reconstruction_weight: Factor of Eq. 11 in Eq. 26.
        code_weight: alpha of Eq. 26.
        stream_weights: beta, eta, ... of Eq. 26, one a stream; the last repeats.
        neighbor_weight: Factor of the cluster loss of Eq. 5 between each row and a neighbour
            across scales; 0 in the paper.
        keep: ``last`` iteration (the paper), or that of the highest ``modularity`` of the output
            on the largest graph.
        output: ``streams`` (mean of the streams), ``stream_0``, ``stream_1``, ... or ``q``.
        partition: ``none`` (all nodes in every step, the paper), ``metis`` (needs pymetis),
            ``cells`` (of a coarse quantiser of the features), or ``auto``: none while that fits
            the memory budget. Assignments use every edge whatever this is.
        memory_gib: GiB that stage 2 may plan with; null: half of what is free.
        cell_size: Nodes of a cell, about.
        cells_per_step: Random cells in a step of a partitioned training; the edges between them
            are kept.
    """

    sigma: float = 0.4
    gamma: float = 0.2
    autoencoder_weight: float | None = None
    shared_weights: bool = False
    gcn_init: str = "random"
    centers: str = "code"
    propagation_steps: tuple[int, ...] = (0,)
    code_warmup_steps: int = 0
    kmeans_restarts: int = 20
    degrees_of_freedom: float = 1.0
    iterations: int = 1000
    learning_rate: float = 1e-4
    reconstruction: str = "squared_norm"
    reconstruction_weight: float = 1.0
    code_weight: float = 0.1
    stream_weights: tuple[float, ...] = (0.05, 0.01)
    neighbor_weight: float = 0.0
    keep: str = "last"
    output: str = "streams"
    partition: str = "auto"
    memory_gib: float | None = None
    cell_size: int = 2000
    cells_per_step: int = 8

    def __post_init__(self) -> None:
        for name in (
            "sigma",
            "gamma",
            "reconstruction_weight",
            "code_weight",
            "neighbor_weight",
        ):
            value = getattr(self, name)
            require(value >= 0, f"mgcn.{name}", "0 or more", value)
        rest = self.autoencoder_weight
        require(rest is None or rest >= 0, "mgcn.autoencoder_weight", "0 or more", rest)
        require(
            rest is not None or self.sigma + self.gamma <= 1,
            "mgcn.sigma + mgcn.gamma",
            "at most 1 unless mgcn.autoencoder_weight is given",
            self.sigma + self.gamma,
        )
        one_of("mgcn.gcn_init", self.gcn_init, ("random", "encoder"))
        one_of("mgcn.centers", self.centers, ("code", "features", "either", "graph"))
        one_of("mgcn.reconstruction", self.reconstruction, ("squared_norm", "entry_mean"))
        for name in ("learning_rate", "degrees_of_freedom"):
            value = getattr(self, name)
            require(value > 0, f"mgcn.{name}", "positive", value)
        for name in ("iterations", "code_warmup_steps"):
            value = getattr(self, name)
            require(value >= 0, f"mgcn.{name}", "0 or more", value)
        steps = self.propagation_steps
        require(len(steps) >= 1, "mgcn.propagation_steps", "one number or more", steps)
        require(min(steps) >= 0, "mgcn.propagation_steps", "0 or more", steps)
        require(
            self.kmeans_restarts >= 1, "mgcn.kmeans_restarts", "1 or more", self.kmeans_restarts
        )
        weights = self.stream_weights
        require(len(weights) >= 1, "mgcn.stream_weights", "one weight or more", weights)
        require(min(weights) >= 0, "mgcn.stream_weights", "0 or more", weights)
        one_of("mgcn.keep", self.keep, ("last", "modularity"))
        valid = self.output in ("streams", "q") or (
            self.output.startswith("stream_") and self.output[7:].isdecimal()
        )
        one_of("mgcn.partition", self.partition, ("auto", "none", "metis", "cells"))
        budget = self.memory_gib
        require(budget is None or budget > 0, "mgcn.memory_gib", "positive", budget)
        for name in ("cell_size", "cells_per_step"):
            value = getattr(self, name)
            require(value >= 1, f"mgcn.{name}", "1 or more", value)
        require(valid, "mgcn.output", "streams, stream_0, stream_1, ... or q", self.output)
