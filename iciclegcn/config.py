"""Every choice of a run, as frozen dataclasses that validate themselves.

A field's default is the paper's (``paper`` preset); the section or equation it comes from stands
beside it. ``None`` means "what suits the data": `iciclegcn.presets` fills those in.
"""

import dataclasses
from dataclasses import dataclass, field

from iciclegcn.errors import UserError


def _require(condition: bool, name: str, rule: str, value: object) -> None:
    if not condition:
        raise UserError(f"'{name}' must be {rule} (got {value!r})")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    _require(value in allowed, name, "one of " + ", ".join(allowed), value)


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how large.

    Attributes:
        source: A folder, a zip, a list of paths, an array file or the name of a data set.
        image_size: Side in pixels of the views that enter the backbone.
        cache_size: Side in pixels at which decoded images are kept.
        channels: 1 (greyscale) or 3 (RGB) channels kept.
        labels_from_folders: First-level folder names are the truth (evaluation only).
        labels: CSV file with the truth (evaluation only).
        strict: Refuse unreadable files instead of skipping them.
    """

    source: str = "digits"
    image_size: int | None = None  # Section 3.5: 224
    cache_size: int | None = None
    channels: int | None = None
    labels_from_folders: bool = False
    labels: str | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        for name in ("image_size", "cache_size"):
            value = getattr(self, name)
            _require(value is None or value >= 4, f"data.{name}", "at least 4 pixels", value)
        _require(self.channels in (None, 1, 3), "data.channels", "1 or 3", self.channels)


@dataclass(frozen=True)
class ViewConfig:
    """The random augmentations of one view (Section 3.1; strengths as in contrastive clustering).

    Attributes:
        crop_scale: Area of the resized crop relative to the image, lower and upper bound.
        crop_ratio: Aspect ratio of the crop, lower and upper bound.
        flip_probability: Horizontal flips.
        rotation: Largest rotation either way, degrees.
        jitter_probability: How often the colour jitter applies.
        brightness: Brightness factor within 1 +- this.
        contrast: Contrast factor within 1 +- this.
        saturation: Saturation factor within 1 +- this.
        hue: Hue shift within +- this, in turns.
        grayscale_probability: How often colours are dropped.
        blur_probability: How often Gaussian blur applies.
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (0.75, 4.0 / 3.0)
    flip_probability: float = 0.5
    rotation: float = 0.0
    jitter_probability: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grayscale_probability: float = 0.2
    blur_probability: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.crop_scale
        _require(0 < low <= high <= 1, "views.crop_scale", "0 < low <= high <= 1", self.crop_scale)
        low, high = self.crop_ratio
        _require(0 < low <= high, "views.crop_ratio", "0 < low <= high", self.crop_ratio)
        for name in (
            "flip_probability",
            "jitter_probability",
            "grayscale_probability",
            "blur_probability",
        ):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"views.{name}", "in [0, 1]", value)
        for name in ("brightness", "contrast", "saturation"):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"views.{name}", "in [0, 1]", value)
        _require(0 <= self.hue <= 0.5, "views.hue", "in [0, 0.5]", self.hue)
        _require(0 <= self.rotation <= 180, "views.rotation", "in [0, 180]", self.rotation)


@dataclass(frozen=True)
class BackboneConfig:
    """The CNN (Section 3.1).

    Attributes:
        name: ``resnet18``, ``resnet34``, ``resnet50`` or ``convnet`` (small, for two cores).
        stem: ``plain`` (torchvision's) or ``small`` (3x3, no max-pool: keeps small images).
        width: Output channels of the ``convnet``; ignored by the ResNets.
    """

    name: str = "resnet34"
    stem: str = "plain"
    width: int = 256

    def __post_init__(self) -> None:
        _one_of("backbone.name", self.name, ("resnet18", "resnet34", "resnet50", "convnet"))
        _one_of("backbone.stem", self.stem, ("plain", "small"))
        _require(self.width >= 8, "backbone.width", "at least 8", self.width)


@dataclass(frozen=True)
class AutoEncoderConfig:
    """The auto-encoder that stage 1 pretrains and stage 2 fuses (Section 3.5).

    Attributes:
        hidden_channels: Widths between the features and the K-dimensional code.
    """

    hidden_channels: tuple[int, ...] = (500, 500, 2000)

    def __post_init__(self) -> None:
        widths = self.hidden_channels
        _require(len(widths) >= 1, "autoencoder.hidden_channels", "one width or more", widths)
        _require(min(widths) >= 1, "autoencoder.hidden_channels", "positive", widths)


@dataclass(frozen=True)
class PretrainConfig:
    """Stage 1: contrastive pretraining (Eq. 1-7, Algorithm 1 steps 1-6).

    Attributes:
        epochs: Passes over the images.
        batch_size: Images a step; each gives two views.
        learning_rate: Adam's.
        weight_decay: Adam's L2 penalty.
        schedule: ``constant`` or ``cosine`` (to zero, with one epoch of warm-up).
        projection_channels: Width of the instance projection.
        instance_temperature: tau_I of Eq. 2.
        cluster_temperature: tau_C of Eq. 4.
        mask_self: Leave the pair of a view with itself out of Eq. 2's denominator.
        cluster_loss_views: ``both``, or ``view_a_twice`` to reproduce the published defect.
        reconstruction: ``squared_norm`` (Eq. 6, per image) or ``entry_mean``.
        reconstruction_views: ``both`` or ``view_a``.
        instance_weight: Factor of Eq. 3 in Eq. 7.
        cluster_weight: Factor of Eq. 5 in Eq. 7.
        reconstruction_weight: Factor of Eq. 6 in Eq. 7.
    """

    epochs: int = 1000
    batch_size: int = 128
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    schedule: str = "constant"
    projection_channels: int = 128
    instance_temperature: float = 0.5
    cluster_temperature: float = 1.0
    mask_self: bool = True
    cluster_loss_views: str = "both"
    reconstruction: str = "squared_norm"
    reconstruction_views: str = "both"
    instance_weight: float = 1.0
    cluster_weight: float = 1.0
    reconstruction_weight: float = 1.0

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "pretrain.epochs", "at least 1", self.epochs)
        _require(self.batch_size >= 2, "pretrain.batch_size", "at least 2", self.batch_size)
        for name in ("learning_rate", "instance_temperature", "cluster_temperature"):
            value = getattr(self, name)
            _require(value > 0, f"pretrain.{name}", "positive", value)
        for name in (
            "weight_decay",
            "instance_weight",
            "cluster_weight",
            "reconstruction_weight",
        ):
            value = getattr(self, name)
            _require(value >= 0, f"pretrain.{name}", "0 or more", value)
        _one_of("pretrain.schedule", self.schedule, ("constant", "cosine"))
        _one_of("pretrain.cluster_loss_views", self.cluster_loss_views, ("both", "view_a_twice"))
        _one_of("pretrain.reconstruction", self.reconstruction, ("squared_norm", "entry_mean"))
        _one_of("pretrain.reconstruction_views", self.reconstruction_views, ("both", "view_a"))


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
        _require(len(self.k) >= 1, "graph.k", "one scale or more", self.k)
        _require(min(self.k) >= 1, "graph.k", "positive", self.k)
        _one_of("graph.metric", self.metric, ("l2", "cosine"))
        _one_of("graph.symmetrize", self.symmetrize, ("union", "mutual"))
        _one_of("graph.edge_weight", self.edge_weight, ("binary", "heat"))
        _one_of("graph.normalization", self.normalization, ("symmetric", "row"))
        _require(self.heat_time > 0, "graph.heat_time", "positive", self.heat_time)


@dataclass(frozen=True)
class MGCNConfig:
    """Stage 2: the multi-scale GCN (Eq. 9-26, Algorithm 1 steps 7-10).

    Attributes:
        sigma: Weight of a stream's own state in the fusion (Eq. 15-16).
        gamma: Weight of the other streams' mean.
        autoencoder_weight: Weight of the auto-encoder's state; None: 1 - sigma - gamma.
        shared_weights: One set of GCN weights for all streams.
        gcn_init: ``random``, or ``encoder`` (start from the encoder's weights).
        centers: ``code`` (k-means on the code, Eq. 20), or ``features``: k-means on the
            normalised features, centres placed at those clusters' mean code.
        propagation_steps: How often the features are averaged over the largest graph before
            that k-means; of several numbers the graph's modularity picks one. (0,) in the paper.
        code_warmup_steps: Steps in which the code first learns the k-means partition; 0 in the
            paper.
        kmeans_restarts: Restarts of that k-means.
        degrees_of_freedom: t of Eq. 20.
        iterations: Steps of Adam, full batch.
        learning_rate: Adam's.
        reconstruction: ``squared_norm`` (Eq. 11) or ``entry_mean``.
        reconstruction_weight: Factor of Eq. 11 in Eq. 26.
        code_weight: alpha of Eq. 26.
        stream_weights: beta, eta, ... of Eq. 26, one a stream; the last repeats.
        neighbor_weight: Factor of the cluster loss of Eq. 5 between each row and a neighbour
            across scales; 0 in the paper.
        output: ``streams`` (mean of the streams), ``stream_0``, ``stream_1``, ... or ``q``.
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
    output: str = "streams"

    def __post_init__(self) -> None:
        for name in (
            "sigma",
            "gamma",
            "reconstruction_weight",
            "code_weight",
            "neighbor_weight",
        ):
            value = getattr(self, name)
            _require(value >= 0, f"mgcn.{name}", "0 or more", value)
        rest = self.autoencoder_weight
        _require(rest is None or rest >= 0, "mgcn.autoencoder_weight", "0 or more", rest)
        _require(
            rest is not None or self.sigma + self.gamma <= 1,
            "mgcn.sigma + mgcn.gamma",
            "at most 1 unless mgcn.autoencoder_weight is given",
            self.sigma + self.gamma,
        )
        _one_of("mgcn.gcn_init", self.gcn_init, ("random", "encoder"))
        _one_of("mgcn.centers", self.centers, ("code", "features"))
        _one_of("mgcn.reconstruction", self.reconstruction, ("squared_norm", "entry_mean"))
        for name in ("learning_rate", "degrees_of_freedom"):
            value = getattr(self, name)
            _require(value > 0, f"mgcn.{name}", "positive", value)
        for name in ("iterations", "code_warmup_steps"):
            value = getattr(self, name)
            _require(value >= 0, f"mgcn.{name}", "0 or more", value)
        steps = self.propagation_steps
        _require(len(steps) >= 1, "mgcn.propagation_steps", "one number or more", steps)
        _require(min(steps) >= 0, "mgcn.propagation_steps", "0 or more", steps)
        _require(
            self.kmeans_restarts >= 1, "mgcn.kmeans_restarts", "1 or more", self.kmeans_restarts
        )
        weights = self.stream_weights
        _require(len(weights) >= 1, "mgcn.stream_weights", "one weight or more", weights)
        _require(min(weights) >= 0, "mgcn.stream_weights", "0 or more", weights)
        valid = self.output in ("streams", "q") or (
            self.output.startswith("stream_") and self.output[7:].isdigit()
        )
        _require(valid, "mgcn.output", "streams, stream_0, stream_1, ... or q", self.output)


@dataclass(frozen=True)
class Config:
    """One run.

    Attributes:
        num_clusters: K; known for the named data sets.
        preset: The preset the other fields started from.
        seed: Fixes every random draw.
        device: ``auto``, ``cpu`` or ``cuda[:N]``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
    """

    num_clusters: int | None = None
    preset: str = "quick"
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    data: DataConfig = field(default_factory=DataConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    autoencoder: AutoEncoderConfig = field(default_factory=AutoEncoderConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    mgcn: MGCNConfig = field(default_factory=MGCNConfig)

    def __post_init__(self) -> None:
        if self.num_clusters is not None and self.num_clusters < 2:
            raise UserError(f"'--num-clusters' must be at least 2 (got {self.num_clusters})")
        _one_of("precision", self.precision, ("auto", "fp32", "bf16", "fp16"))
        output = self.mgcn.output
        if output.startswith("stream_") and int(output[7:]) >= len(self.graph.k):
            raise UserError(
                f"'mgcn.output' names {output} and 'graph.k' has {len(self.graph.k)} scale(s)"
            )

    def to_dict(self) -> dict[str, object]:
        """Nested plain values, ready for YAML or JSON (tuples become lists)."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
