"""GCC: graph contrastive clustering."""

from dataclasses import dataclass

from iciclegcn.config.checks import one_of, require


@dataclass(frozen=True)
class GCCConfig:
    """GCC: backbone, projection and cluster heads trained together (Zhong et al., 2021).

    Attributes:
        epochs: Passes over the images.
        batch_size: Images a step; each gives two views, and neighbours once there is a graph.
        optimizer: ``sgd`` or ``adam``.
        learning_rate: The optimiser's, at the start.
        head_rate: Learning rate of the cluster heads, in units of that of the others.
        momentum: SGD's.
        weight_decay: The optimiser's L2 penalty.
        final_rate: Learning rate at the end of the cosine, as a share of that at the start.
        projection_channels: Width of the representation head.
        num_heads: Cluster heads; the one of the lowest loss over the last epoch names the clusters.
        memory_length: Embeddings kept of every image; their mean is its row in the search.
        num_neighbors: Neighbours of every image in the graph, itself not counted.
        contrast_neighbors: First entries of an image's list (itself, then its neighbours) that
            each step embeds anew as positives.
        neighbor_scale: s of a neighbour's weight sqrt(s / degree).
        first_graph_epoch: Epochs before the first graph, with the instance contrast alone.
        graph_interval: Epochs from one graph to the next.
        temperature: That of the representation loss.
        assignment_loss: ``contrast`` (of assignment columns), or ``scan`` (SCAN's consistency).
        assignment_temperature: That of ``contrast``.
        instance_weight: Factor of the representation loss.
        assignment_weight: Factor of the assignment loss.
        balance_weight: Factor of log K minus the entropy of the mean assignment; SCAN's is 5.
        keep: ``last`` epoch, or that of the lowest ``loss`` (never by labels).
        extra_source: More DATA to train on until the first graph, such as an unlabelled split;
            it is neither searched nor clustered.
    """

    epochs: int = 1000
    batch_size: int = 256
    optimizer: str = "sgd"
    learning_rate: float = 0.4
    head_rate: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    final_rate: float = 1e-3
    projection_channels: int = 128
    num_heads: int = 1
    memory_length: int = 4
    num_neighbors: int = 5
    contrast_neighbors: int = 3
    neighbor_scale: float = 3.0
    first_graph_epoch: int = 50
    graph_interval: int = 5
    temperature: float = 0.1
    assignment_loss: str = "contrast"
    assignment_temperature: float = 1.0
    instance_weight: float = 2.0
    assignment_weight: float = 1.0
    balance_weight: float = 2.0
    keep: str = "last"
    extra_source: str | None = None

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "projection_channels",
            "num_heads",
            "memory_length",
            "num_neighbors",
            "first_graph_epoch",
            "graph_interval",
        ):
            value = getattr(self, name)
            require(value >= 1, f"gcc.{name}", "at least 1", value)
        require(self.batch_size >= 2, "gcc.batch_size", "at least 2", self.batch_size)
        for name in (
            "learning_rate",
            "head_rate",
            "neighbor_scale",
            "temperature",
            "assignment_temperature",
        ):
            value = getattr(self, name)
            require(value > 0, f"gcc.{name}", "positive", value)
        for name in (
            "momentum",
            "weight_decay",
            "instance_weight",
            "assignment_weight",
            "balance_weight",
            "contrast_neighbors",
        ):
            value = getattr(self, name)
            require(value >= 0, f"gcc.{name}", "0 or more", value)
        require(0 <= self.final_rate <= 1, "gcc.final_rate", "in [0, 1]", self.final_rate)
        # Without a graph no cluster would ever be learned.
        require(
            self.first_graph_epoch < self.epochs,
            "gcc.first_graph_epoch",
            f"below 'gcc.epochs', {self.epochs}",
            self.first_graph_epoch,
        )
        # The list of an image includes itself.
        require(
            self.contrast_neighbors <= self.num_neighbors + 1,
            "gcc.contrast_neighbors",
            "at most 'gcc.num_neighbors' + 1",
            self.contrast_neighbors,
        )
        one_of("gcc.optimizer", self.optimizer, ("sgd", "adam"))
        one_of("gcc.assignment_loss", self.assignment_loss, ("contrast", "scan"))
        one_of("gcc.keep", self.keep, ("last", "loss"))
