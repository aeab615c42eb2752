import dataclasses
import json
import math
from typing import Any

import pytest

from iciclegcn.config import (
    AutoEncoderConfig,
    BackboneConfig,
    Config,
    DataConfig,
    EncodeConfig,
    GCCConfig,
    GraphConfig,
    MGCNConfig,
    PretrainConfig,
    RUCConfig,
    SelfLabelConfig,
    ViewConfig,
)
from iciclegcn.errors import UserError

SECTIONS: dict[str, Any] = {
    "data": DataConfig,
    "views": ViewConfig,
    "backbone": BackboneConfig,
    "autoencoder": AutoEncoderConfig,
    "pretrain": PretrainConfig,
    "graph": GraphConfig,
    "encode": EncodeConfig,
    "mgcn": MGCNConfig,
    "gcc": GCCConfig,
    "self_label": SelfLabelConfig,
    "ruc": RUCConfig,
}


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("data.image_size", 3, "at least 4 pixels (got 3)"),
        ("data.cache_size", 0, "at least 4 pixels (got 0)"),
        ("data.channels", 4, "1 or 3 (got 4)"),
        ("views.crop_scale", (0.0, 1.0), "0 < low <= high <= 1 (got (0.0, 1.0))"),
        ("views.crop_scale", (0.8, 0.2), "0 < low <= high <= 1"),
        ("views.crop_scale", (0.5, 1.1), "0 < low <= high <= 1"),
        ("views.crop_ratio", (0.0, 1.0), "0 < low <= high"),
        ("views.crop_ratio", (2.0, 1.0), "0 < low <= high"),
        ("views.flip_probability", 1.5, "in [0, 1] (got 1.5)"),
        ("views.jitter_probability", -0.1, "in [0, 1]"),
        ("views.grayscale_probability", 2.0, "in [0, 1]"),
        ("views.blur_probability", math.nan, "in [0, 1]"),
        ("views.brightness", 1.2, "in [0, 1]"),
        ("views.contrast", -0.2, "in [0, 1]"),
        ("views.saturation", 9.0, "in [0, 1]"),
        ("views.hue", 0.6, "in [0, 0.5] (got 0.6)"),
        ("views.rotation", 181.0, "in [0, 180]"),
        ("backbone.name", "resnet35", "one of resnet18, resnet34, resnet50, convnet"),
        ("backbone.stem", "big", "one of plain, small (got 'big')"),
        ("backbone.width", 4, "at least 8"),
        ("backbone.name", "resnet101", "one of resnet18, resnet34, resnet50, convnet, efficient"),
        ("backbone.name", "timm:", "one of resnet18"),
        ("backbone.name", "hub:resnet18", "one of resnet18"),
        ("backbone.name", "weights.pth", "one of resnet18"),
        ("backbone.image_size", 4, "at least 8 pixels (got 4)"),
        ("backbone.crop", 0.0, "in (0, 1] (got 0.0)"),
        ("backbone.mean", (0.5, 0.5), "one number or three (got (0.5, 0.5))"),
        ("backbone.std", (0.2, 0.0, 0.2), "positive (got (0.2, 0.0, 0.2))"),
        ("autoencoder.hidden_channels", (), "one width or more (got ())"),
        ("autoencoder.hidden_channels", (5, 0), "positive"),
        ("pretrain.epochs", 0, "at least 1 (got 0)"),
        ("pretrain.batch_size", 1, "at least 2"),
        ("pretrain.projection_channels", 0, "at least 1"),
        ("pretrain.learning_rate", 0.0, "positive (got 0.0)"),
        ("pretrain.learning_rate", math.nan, "positive"),
        ("pretrain.instance_temperature", -1.0, "positive"),
        ("pretrain.cluster_temperature", 0.0, "positive"),
        ("pretrain.weight_decay", -1e-4, "0 or more"),
        ("pretrain.instance_weight", -1.0, "0 or more"),
        ("pretrain.cluster_weight", -1.0, "0 or more"),
        ("pretrain.reconstruction_weight", -1.0, "0 or more"),
        ("pretrain.schedule", "linear", "one of constant, cosine"),
        ("pretrain.cluster_loss_views", "view_b", "one of both, view_a_twice"),
        ("pretrain.reconstruction", "mean", "one of squared_norm, entry_mean"),
        ("pretrain.reconstruction_views", "view_b", "one of both, view_a"),
        ("graph.k", (), "one scale or more"),
        ("graph.index", "annoy", "one of auto, exact, ivf_flat, ivf_sq8, ivf_pq, hnsw"),
        ("graph.target_recall", 1.5, "in (0, 1]"),
        ("graph.memory_gib", 0.0, "positive"),
        ("graph.k", (0, 10), "positive (got (0, 10))"),
        ("graph.metric", "l1", "one of l2, cosine"),
        ("graph.symmetrize", "both", "one of union, mutual"),
        ("graph.edge_weight", "none", "one of binary, heat"),
        ("graph.heat_time", 0.0, "positive"),
        ("graph.normalization", "column", "one of symmetric, row"),
        ("encode.epochs", 0, "at least 1 (got 0)"),
        ("encode.batch_size", 1, "at least 2"),
        ("encode.learning_rate", 0.0, "positive"),
        ("encode.weight_decay", -1.0, "0 or more"),
        ("encode.schedule", "step", "one of constant, cosine"),
        ("encode.neighbors", 0, "at least 1"),
        ("encode.cluster_temperature", 0.0, "positive"),
        ("encode.cluster_weight", -1.0, "0 or more"),
        ("encode.reconstruction", "sum", "one of squared_norm, entry_mean"),
        ("encode.reconstruction_weight", -1.0, "0 or more"),
        ("mgcn.sigma", -0.1, "0 or more"),
        ("mgcn.gamma", -0.1, "0 or more"),
        ("mgcn.autoencoder_weight", -0.1, "0 or more"),
        ("mgcn.gcn_init", "zeros", "one of random, encoder"),
        ("mgcn.centers", "pixels", "one of code, features"),
        ("mgcn.propagation_steps", (), "one number or more"),
        ("mgcn.propagation_steps", (-1,), "0 or more"),
        ("mgcn.code_warmup_steps", -1, "0 or more"),
        ("mgcn.kmeans_restarts", 0, "1 or more"),
        ("mgcn.degrees_of_freedom", 0.0, "positive"),
        ("mgcn.iterations", -1, "0 or more"),
        ("mgcn.learning_rate", 0.0, "positive"),
        ("mgcn.reconstruction", "sum", "one of squared_norm, entry_mean"),
        ("mgcn.reconstruction_weight", -1.0, "0 or more"),
        ("mgcn.code_weight", -1.0, "0 or more"),
        ("mgcn.neighbor_weight", -1.0, "0 or more"),
        ("mgcn.stream_weights", (), "one weight or more"),
        ("mgcn.stream_weights", (0.1, -0.1), "0 or more"),
        ("mgcn.partition", "louvain", "one of auto, none, metis, cells"),
        ("mgcn.memory_gib", 0.0, "positive"),
        ("mgcn.cell_size", 0, "1 or more"),
        ("mgcn.cells_per_step", 0, "1 or more"),
        ("mgcn.output", "stream_a", "streams, stream_0, stream_1, ... or q (got 'stream_a')"),
        ("mgcn.output", "stream_", "streams, stream_0, stream_1, ... or q"),
        ("mgcn.output", "stream_²", "streams, stream_0, stream_1, ... or q"),
        ("gcc.epochs", 0, "at least 1 (got 0)"),
        ("gcc.batch_size", 1, "at least 2"),
        ("gcc.optimizer", "lars", "one of sgd, adam"),
        ("gcc.learning_rate", 0.0, "positive (got 0.0)"),
        ("gcc.head_rate", 0.0, "positive"),
        ("gcc.momentum", -0.1, "0 or more"),
        ("gcc.weight_decay", -1e-4, "0 or more"),
        ("gcc.final_rate", 1.1, "in [0, 1] (got 1.1)"),
        ("gcc.projection_channels", 0, "at least 1"),
        ("gcc.num_heads", 0, "at least 1"),
        ("gcc.memory_length", 0, "at least 1"),
        ("gcc.num_neighbors", 0, "at least 1"),
        ("gcc.contrast_neighbors", -1, "0 or more"),
        ("gcc.contrast_neighbors", 7, "at most 'gcc.num_neighbors' + 1 (got 7)"),
        ("gcc.neighbor_scale", 0.0, "positive"),
        ("gcc.first_graph_epoch", 0, "at least 1"),
        ("gcc.first_graph_epoch", 1000, "below 'gcc.epochs', 1000 (got 1000)"),
        ("gcc.graph_interval", 0, "at least 1"),
        ("gcc.temperature", 0.0, "positive"),
        ("gcc.assignment_loss", "entropy", "one of contrast, scan"),
        ("gcc.assignment_temperature", math.nan, "positive"),
        ("gcc.instance_weight", -1.0, "0 or more"),
        ("gcc.assignment_weight", -1.0, "0 or more"),
        ("gcc.balance_weight", -1.0, "0 or more"),
        ("gcc.keep", "accuracy", "one of last, loss (got 'accuracy')"),
        ("self_label.epochs", 0, "at least 1 (got 0)"),
        ("self_label.batch_size", 1, "at least 2"),
        ("self_label.learning_rate", 0.0, "positive"),
        ("self_label.weight_decay", -1e-4, "0 or more"),
        ("self_label.threshold", 1.0, "in [0, 1) (got 1.0)"),
        ("self_label.operations", -1, "0 or more"),
        ("self_label.cutout", 1.0, "in [0, 1)"),
        ("self_label.weak_crop", (0.0, 1.0), "0 < low <= high <= 1 (got (0.0, 1.0))"),
        ("self_label.average_decay", 1.0, "in [0, 1) or null (got 1.0)"),
        ("ruc.epochs", 0, "at least 1 (got 0)"),
        ("ruc.batch_size", 1, "at least 2"),
        ("ruc.learning_rate", 0.0, "positive"),
        ("ruc.momentum", -0.1, "0 or more"),
        ("ruc.weight_decay", -1e-4, "0 or more"),
        ("ruc.sampling", "labels", "one of confidence, metric, hybrid (got 'labels')"),
        ("ruc.confidence_threshold", 1.1, "in [0, 1]"),
        ("ruc.num_neighbors", 0, "at least 1"),
        ("ruc.least_clean", 1.1, "in [0, 1]"),
        ("ruc.label_smoothing", 1.0, "in [0, 1) or null (got 1.0)"),
        ("ruc.refurbish_threshold", -0.1, "in [0, 1]"),
        ("ruc.refurbish_growth", -0.1, "0 or more"),
        ("ruc.refurbish_interval", 0, "at least 1"),
        ("ruc.sharpening", 0.0, "positive"),
        ("ruc.mix_alpha", 0.0, "positive"),
        ("ruc.unlabelled_weight", -1.0, "0 or more"),
        ("ruc.ramp_epochs", 0, "at least 1"),
        ("ruc.ramp_floor", math.nan, "in [0, 1]"),
        ("ruc.operations", -1, "0 or more"),
        ("ruc.cutout", 1.0, "in [0, 1)"),
        ("ruc.weak_crop", (0.9, 0.8), "0 < low <= high <= 1 (got (0.9, 0.8))"),
    ],
)
def test_impossible_values_are_refused(name: str, value: object, rule: str) -> None:
    section, _, field = name.partition(".")
    with pytest.raises(UserError) as caught:
        SECTIONS[section](**{field: value})
    assert str(caught.value).startswith(f"'{name}' must be {rule}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_clusters": 1}, "'--num-clusters' must be at least 2 (got 1)"),
        ({"method": "scan"}, "'method' must be one of icicle, gcc, self-label, ruc (got 'scan')"),
        ({"precision": "fp64"}, "'precision' must be one of auto, fp32, bf16, fp16 (got 'fp64')"),
        (
            {"mgcn": MGCNConfig(output="stream_2")},
            "'mgcn.output' names stream_2 and 'graph.k' has 2 scale(s)",
        ),
    ],
)
def test_impossible_runs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Config(**changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("resnet18", {"weights": "a.pth"}, "'backbone.weights' is for trained networks, such as"),
        ("convnet", {"image_size": 64}, "'backbone.image_size' is for trained networks"),
        ("resnet18", {"frozen": True}, "'backbone.frozen' must be false for resnet18, which begi"),
        ("timm:resnet18", {"weights": "random", "frozen": True}, "must be false with random weigh"),
        ("net.onnx", {"frozen": False}, "'backbone.frozen' must be true for the file of a network"),
        ("net.pt2", {"weights": "a.pth"}, "'backbone.weights' changes nothing: 'net.pt2' holds it"),
    ],
)
def test_impossible_backbones_are_refused(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        BackboneConfig(name, **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("backbone", "kind", "trained", "frozen"),
    [
        (BackboneConfig("convnet"), "built-in", False, False),
        (BackboneConfig("resnet18", weights="random"), "built-in", False, False),
        (BackboneConfig("efficientnet-lite0"), "efficientnet-lite0", True, True),
        (BackboneConfig("efficientnet-lite0", frozen=False), "efficientnet-lite0", True, False),
        (BackboneConfig("timm:resnet18", weights="random"), "timm", False, False),
        (BackboneConfig("torchvision:resnet50", weights="w.pth"), "torchvision", True, True),
        (BackboneConfig("folder/net.ONNX"), "file", True, True),
    ],
)
def test_trained_backbones_are_frozen_unless_told_otherwise(
    backbone: BackboneConfig, kind: str, trained: bool, frozen: bool
) -> None:
    assert (backbone.kind, backbone.trained, backbone.is_frozen) == (kind, trained, frozen)
    assert Config(backbone=backbone).stages == ("features" if frozen else "icicle")


def test_only_icicle_has_frozen_backbones() -> None:
    with pytest.raises(UserError, match="must be false for the method gcc, which trains the back"):
        Config(method="gcc", backbone=BackboneConfig("efficientnet-lite0"))
    start = BackboneConfig("efficientnet-lite0", frozen=False)
    assert Config(method="gcc", backbone=start).stages == "gcc"


def test_fusion_weights_above_one_must_be_meant() -> None:
    with pytest.raises(UserError, match=r"'mgcn.sigma \+ mgcn.gamma' must be at most 1 unless"):
        MGCNConfig(sigma=0.9, gamma=0.2)
    assert MGCNConfig(sigma=0.9, gamma=0.2, autoencoder_weight=0.5).sigma == 0.9
    assert MGCNConfig(sigma=1.0, gamma=0.0).sigma == 1.0


@pytest.mark.parametrize(
    "config",
    [
        DataConfig(image_size=4, channels=1),
        ViewConfig(crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), hue=0.5, rotation=180),
        BackboneConfig(name="convnet", width=8),
        AutoEncoderConfig(hidden_channels=(1,)),
        PretrainConfig(epochs=1, batch_size=2, instance_weight=0, projection_channels=1),
        GraphConfig(k=(1,)),
        GraphConfig(k=(1, 3, 5, 10)),
        EncodeConfig(epochs=1, batch_size=2, neighbors=1, cluster_weight=0),
        MGCNConfig(iterations=0, stream_weights=(0.0,), output="q"),
        GCCConfig(
            epochs=2, batch_size=2, first_graph_epoch=1, num_neighbors=1, contrast_neighbors=0
        ),
        GCCConfig(num_neighbors=2, contrast_neighbors=3, momentum=0, final_rate=1, keep="loss"),
        Config(num_clusters=2, graph=GraphConfig(k=(1, 2, 3)), mgcn=MGCNConfig(output="stream_2")),
    ],
)
def test_values_at_the_bounds_are_allowed(config: Any) -> None:
    assert dataclasses.replace(config) == config


def test_nothing_changes_after_construction() -> None:
    for section in (Config(), *(make() for make in SECTIONS.values())):
        name = dataclasses.fields(section)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(section, name, 1)


def test_plain_values_give_the_configuration_back() -> None:
    config = Config(
        num_clusters=7,
        seed=3,
        data=DataConfig("photos", image_size=64),
        views=ViewConfig(crop_scale=(0.2, 0.9)),
        graph=GraphConfig(k=(1, 5, 20)),
        mgcn=MGCNConfig(stream_weights=(0.1, 0.2, 0.3), output="stream_1"),
    )
    plain = json.loads(json.dumps(config.to_dict()))
    assert plain == config.to_dict()
    assert plain["graph"]["k"] == [1, 5, 20]
    assert plain["data"]["image_size"] == 64
    sections = {
        name: make(
            **{
                field: tuple(value) if isinstance(value, list) else value
                for field, value in plain.pop(name).items()
            }
        )
        for name, make in SECTIONS.items()
    }
    assert Config(**plain, **sections) == config


def test_defaults_are_the_papers() -> None:
    config = Config()
    assert config.backbone == BackboneConfig("resnet34", "plain")
    assert config.autoencoder.hidden_channels == (500, 500, 2000)
    stage_1 = config.pretrain
    assert (stage_1.epochs, stage_1.batch_size, stage_1.learning_rate) == (1000, 128, 1e-4)
    assert (stage_1.instance_temperature, stage_1.cluster_temperature) == (0.5, 1.0)
    assert stage_1.projection_channels == 128
    assert config.graph.k == (1, 10)
    stage_2 = config.mgcn
    assert (stage_2.sigma, stage_2.gamma, stage_2.autoencoder_weight) == (0.4, 0.2, None)
    assert (stage_2.code_weight, stage_2.stream_weights) == (0.1, (0.05, 0.01))
    assert (stage_2.kmeans_restarts, stage_2.degrees_of_freedom) == (20, 1.0)
    assert (stage_2.iterations, stage_2.learning_rate) == (1000, 1e-4)
    gcc = config.gcc
    assert (gcc.epochs, gcc.first_graph_epoch, gcc.graph_interval) == (1000, 50, 5)
    assert (gcc.optimizer, gcc.learning_rate, gcc.momentum) == ("sgd", 0.4, 0.9)
    assert (gcc.weight_decay, gcc.final_rate, gcc.head_rate) == (1e-4, 1e-3, 1.0)
    assert (gcc.memory_length, gcc.num_neighbors, gcc.contrast_neighbors) == (4, 5, 3)
    assert (gcc.neighbor_scale, gcc.projection_channels) == (3.0, 128)
    assert (gcc.temperature, gcc.assignment_temperature) == (0.1, 1.0)
    weights = (gcc.instance_weight, gcc.assignment_weight, gcc.balance_weight)
    assert weights == (2.0, 1.0, 2.0)
    taught = config.self_label
    assert (taught.epochs, taught.batch_size, taught.learning_rate) == (200, 1000, 5e-5)
    assert (taught.weight_decay, taught.threshold, taught.operations) == (1e-4, 0.98, 4)
    ruc = config.ruc
    assert (ruc.epochs, ruc.batch_size, ruc.ramp_epochs) == (200, 250, 200)
    assert (ruc.learning_rate, ruc.momentum, ruc.weight_decay) == (0.01, 0.9, 5e-4)
    assert (ruc.sampling, ruc.confidence_threshold, ruc.num_neighbors) == ("hybrid", 0.99, 100)
    assert (ruc.label_smoothing, ruc.sharpening, ruc.operations) == (0.5, 0.5, 2)
    assert (ruc.mix_alpha, ruc.unlabelled_weight, ruc.ramp_floor) == (4.0, 25.0, 0.1)
    assert (ruc.refurbish_threshold, ruc.refurbish_growth) == (0.99, 0.0)
    # What this library adds is off.
    assert (gcc.num_heads, gcc.assignment_loss, gcc.keep) == (1, "contrast", "last")
    assert (stage_2.gcn_init, stage_2.centers, stage_2.propagation_steps) == (
        "random",
        "code",
        (0,),
    )
    assert (stage_2.code_warmup_steps, stage_2.neighbor_weight) == (0, 0.0)
    assert (stage_2.keep, stage_2.output) == ("last", "streams")
