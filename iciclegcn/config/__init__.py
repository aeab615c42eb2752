"""Every choice of a run, as frozen dataclasses that validate themselves.

A field's default is the paper's (``paper`` preset); the section or equation it comes from stands
beside it. ``None`` means "what suits the data": `iciclegcn.presets` fills those in.
"""

import dataclasses
from dataclasses import dataclass, field

from iciclegcn.config.checks import one_of, require
from iciclegcn.config.encode import EncodeConfig
from iciclegcn.config.gcc import GCCConfig
from iciclegcn.config.graph import GraphConfig
from iciclegcn.config.images import DataConfig, ViewConfig
from iciclegcn.config.mgcn import MGCNConfig
from iciclegcn.config.networks import AutoEncoderConfig, BackboneConfig
from iciclegcn.config.pretrain import PretrainConfig
from iciclegcn.config.ruc import RUCConfig
from iciclegcn.config.self_label import SelfLabelConfig
from iciclegcn.errors import UserError

__all__ = [
    "AutoEncoderConfig",
    "BackboneConfig",
    "Config",
    "DataConfig",
    "EncodeConfig",
    "GCCConfig",
    "GraphConfig",
    "MGCNConfig",
    "PretrainConfig",
    "RUCConfig",
    "SelfLabelConfig",
    "ViewConfig",
]

METHODS = ("icicle", "gcc", "self-label", "ruc")


@dataclass(frozen=True)
class Config:
    """One run.

    Attributes:
        num_clusters: K; known for the named data sets.
        method: ``icicle`` or ``gcc``, which begin with images; ``self-label`` or ``ruc``, which
            begin with a finished run.
        base: That run's folder, absolute or relative to this one's; null: none.
        preset: The preset the other fields started from.
        seed: Fixes every random draw.
        device: ``auto``, ``cpu`` or ``cuda[:N]``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        abstain: Share of the images left unassigned (cluster -1): the least certain. It trains
            nothing, and may change when all is done.
    """

    num_clusters: int | None = None
    method: str = "icicle"
    base: str | None = None
    preset: str = "quick"
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    abstain: float = 0.0
    data: DataConfig = field(default_factory=DataConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    autoencoder: AutoEncoderConfig = field(default_factory=AutoEncoderConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    encode: EncodeConfig = field(default_factory=EncodeConfig)
    mgcn: MGCNConfig = field(default_factory=MGCNConfig)
    gcc: GCCConfig = field(default_factory=GCCConfig)
    self_label: SelfLabelConfig = field(default_factory=SelfLabelConfig)
    ruc: RUCConfig = field(default_factory=RUCConfig)

    def __post_init__(self) -> None:
        if self.num_clusters is not None and self.num_clusters < 2:
            raise UserError(f"'--num-clusters' must be at least 2 (got {self.num_clusters})")
        one_of("method", self.method, METHODS)
        one_of("precision", self.precision, ("auto", "fp32", "bf16", "fp16"))
        require(0 <= self.abstain < 1, "abstain", "in [0, 1)", self.abstain)
        if self.method != "icicle" and self.backbone.is_frozen:
            raise UserError(
                f"'backbone.frozen' must be false for the method {self.method}, which trains the "
                f"backbone (got {self.backbone.name}, frozen); begin with --backbone.frozen false"
            )
        output = self.mgcn.output
        if output.startswith("stream_") and int(output[7:]) >= len(self.graph.k):
            raise UserError(
                f"'mgcn.output' names {output} and 'graph.k' has {len(self.graph.k)} scale(s)"
            )
        drawn = self.encode.neighbors
        if drawn is not None and drawn > max(self.graph.k):
            raise UserError(
                f"'encode.neighbors' must be at most the largest 'graph.k', {max(self.graph.k)} "
                f"(got {drawn})"
            )

    @property
    def stages(self) -> str:
        """Which stages the run has: its method, or ``features`` where those are not trained."""
        given = self.data.kind == "features" or self.backbone.is_frozen
        return "features" if self.method == "icicle" and given else self.method

    def to_dict(self) -> dict[str, object]:
        """Nested plain values, ready for YAML or JSON (tuples become lists)."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
