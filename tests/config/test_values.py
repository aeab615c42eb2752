from pathlib import Path

import pytest

from iciclegcn.config import Config
from iciclegcn.config.values import (
    build_config,
    config_fields,
    flatten,
    read_config_file,
    to_yaml,
)
from iciclegcn.errors import UserError
from iciclegcn.presets import PRESETS, preset_config


def test_every_field_is_documented() -> None:
    undocumented = [field.name for field in config_fields().values() if not field.text]
    assert undocumented == []
    assert {"seed", "data.source", "pretrain.epochs", "mgcn.output"} <= config_fields().keys()


def test_text_becomes_the_field_type() -> None:
    words = {
        "num_clusters": "7",
        "pretrain.learning_rate": "1e-3",
        "graph.k": "1,5",
        "views.crop_scale": "[0.2, 1]",
        "data.strict": "true",
        "mgcn.autoencoder_weight": "null",
        "data.source": "7",
    }
    config = build_config(Config(), words)
    assert config.num_clusters == 7
    assert config.pretrain.learning_rate == 0.001
    assert config.graph.k == (1, 5)
    assert config.views.crop_scale == (0.2, 1.0)
    assert config.data.strict is True
    assert config.mgcn.autoencoder_weight is None
    assert config.data.source == "7"
    assert config.pretrain.epochs == Config().pretrain.epochs


@pytest.mark.parametrize(
    ("name", "value", "fragment"),
    [
        ("pretrain.epochs", "x", "'pretrain.epochs' must be a whole number (got 'x')"),
        ("pretrain.epochs", 2.0, "a whole number (got 2.0)"),
        ("seed", True, "'seed' must be a whole number (got True)"),
        ("seed", None, "'seed' must be a whole number (got None)"),
        ("pretrain.learning_rate", "nan", "must be a number (got 'nan')"),
        ("pretrain.learning_rate", "1e999", "must be a number"),
        ("views.crop_scale", "1", "two numbers such as 0.2,1 (got '1')"),
        ("graph.k", "1,a", "whole numbers such as 1,10 (got '1,a')"),
        ("data.strict", "maybe", "true or false (got 'maybe')"),
        ("data.image_size", "big", "a whole number or null"),
        ("backbone.name", ["resnet18"], "'backbone.name' must be text"),
        ("pretrain.epochs", "0", "at least 1"),
        ("pretrain.epoch", 3, "did you mean 'pretrain.epochs'?"),
        ("iterations", 3, "did you mean 'mgcn.iterations'?"),
    ],
)
def test_wrong_values_are_told_by_field_and_type(name: str, value: object, fragment: str) -> None:
    with pytest.raises(UserError) as caught:
        build_config(Config(), {name: value})
    assert fragment in str(caught.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_yaml_gives_back_the_same_configuration(preset: str, tmp_path: Path) -> None:
    config = preset_config(preset, "cifar10")
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config), encoding="utf-8")
    values = read_config_file(file)
    assert build_config(Config(), values) == config
    assert values == flatten(config)


def test_numbers_without_a_point_in_yaml_are_numbers(tmp_path: Path) -> None:
    # YAML 1.1 reads 1e-3 as text.
    file = tmp_path / "c.yaml"
    file.write_text("pretrain: {learning_rate: 1e-3, weight_decay: 0}\n", encoding="utf-8")
    config = build_config(Config(), read_config_file(file))
    assert config.pretrain.learning_rate == 0.001
    assert config.pretrain.weight_decay == 0.0


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("pretrain: [\n", "not valid YAML"),
        ("- 3\n", "must hold fields"),
        ("pretrain: 3\n", "'pretrain' in"),
        ("pretrain:\n  epoch: 3\n", "unknown field 'pretrain.epoch'"),
        ("sed: 3\n", "did you mean 'seed'?"),
        ("a: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ],
)
def test_wrong_files_are_told(text: str, fragment: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_config_file(file)
    assert fragment in str(caught.value)
    assert "c.yaml" in str(caught.value)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("# nothing\n", encoding="utf-8")
    assert read_config_file(file) == {}
