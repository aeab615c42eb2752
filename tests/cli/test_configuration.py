from pathlib import Path

import pytest

from iciclegcn.cli.configuration import (
    default_out,
    resolve_config,
    resolve_on_a_run,
    resolve_self_label,
)
from iciclegcn.cli.parser import parse
from iciclegcn.config import Config
from iciclegcn.config.values import build_config, to_yaml
from iciclegcn.errors import UserError
from iciclegcn.presets import preset_config, preset_on_a_run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def resolved(words: str) -> Config:
    return resolve_config(parse(words.split()))


def refined(words: str, base: Config) -> Config:
    return resolve_on_a_run(parse(words.split()), base, "..", "ruc")


def test_a_bare_run_is_quick_on_digits() -> None:
    assert resolved("run") == preset_config("quick", "digits")
    assert resolved("run").num_clusters == 10


def test_the_preset_then_the_file_then_the_flags(home: Path) -> None:
    text = "preset: official\ndata: {source: cifar10}\npretrain: {epochs: 7, batch_size: 64}\n"
    (home / "c.yaml").write_text(text, encoding="utf-8")
    config = resolved("run --pretrain.epochs 9 --config c.yaml")
    expected = build_config(
        preset_config("official", "cifar10"),
        {"pretrain.epochs": 9, "pretrain.batch_size": 64},
    )
    assert config == expected
    assert resolved("run stl10 --preset paper --config c.yaml").preset == "paper"
    assert resolved("run stl10 --config c.yaml").data.source == "stl10"


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("run", "runs/digits-quick-0"),
        ("run photos/holiday.zip --seed 3", "runs/holiday-quick-3"),
        ("run ./my%20pets! --preset paper", "runs/my_20pets-paper-0"),
        ("run cifar10:/somewhere", "runs/cifar10-quick-0"),
        ("run .", "runs/here-quick-0"),
        ("run --method gcc --seed 2", "runs/digits-gcc-quick-2"),
    ],
)
def test_without_out_the_folder_is_named_for_the_run(words: str, out: str) -> None:
    assert default_out(resolved(words)) == Path(out)


def test_the_method_chooses_the_preset(home: Path) -> None:
    assert resolved("run cifar10 --method gcc --preset paper") == preset_config(
        "paper", "cifar10", "gcc"
    )
    (home / "c.yaml").write_text("method: gcc\n", encoding="utf-8")
    assert resolved("run --config c.yaml --gcc.epochs 70").gcc.epochs == 70


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run --method scan", "'--method' must be icicle or gcc to begin with images"),
        ("run --method gcc --preset official", "is IcicleGCN's alone; use paper or quick for gcc"),
        ("run --method self-label", "use 'iciclegcn self-label --run DIR'"),
        ("run --method ruc --self-label", "use 'iciclegcn refine --run DIR'"),
        ("run --config base.yaml", "use 'iciclegcn refine --run DIR'"),
        ("run --gcc.epochs 3", "changes nothing with the method icicle; add --method gcc"),
        ("run --method gcc --mgcn.iterations 3", "with the method gcc; add --method icicle"),
        ("run --self_label.epochs 3", "add --self-label"),
        ("run --self-label --ruc.epochs 3", "give it to 'iciclegcn refine --run DIR'"),
    ],
)
def test_what_does_not_go_together_is_refused(words: str, message: str, home: Path) -> None:
    (home / "base.yaml").write_text("method: ruc\nbase: ..\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        resolved(words)
    assert message in str(caught.value)


def test_a_trained_backbone_changes_what_it_must(home: Path) -> None:
    config = resolved("run photos --num-clusters 3 --backbone efficientnet-lite0")
    assert config.stages == "features"
    assert (config.data.image_size, config.data.cache_size) == (None, 256)
    (home / "c.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert resolved("run --config c.yaml") == config  # what a run folder's file has to do
    small = resolved("run photos --backbone efficientnet-lite0 --data.cache_size 32")
    assert small.data.cache_size == 32
    start = resolved("run photos --backbone efficientnet-lite0 --backbone.frozen false")
    assert (start.stages, start.data.image_size) == ("icicle", 224)
    assert resolved("run photos --method gcc --backbone efficientnet-lite0").stages == "gcc"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "run --backbone efficientnet-lite0 --pretrain.epochs 3",
            "'--pretrain.epochs' changes nothing with the frozen backbone efficientnet-lite0; add "
            "--backbone.frozen false",
        ),
        ("run --backbone efficientnet-lite0 --views.rotation 3", "'--views.rotation' changes noth"),
        ("run --encode.epochs 3", "changes nothing where the backbone is trained; a frozen one"),
        ("run --data.scaling unit", "changes nothing where the backbone is trained"),
        ("run --method gcc --backbone net.onnx", "'backbone.frozen' must be true for the file"),
        ("run --backbone timm:", "'backbone.name' must be one of resnet18"),
    ],
)
def test_options_of_stages_that_a_run_has_not_are_refused(words: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolved(words)
    assert message in str(caught.value)


def test_the_second_run_takes_the_options_of_self_labelling() -> None:
    words = "run --method gcc --self-label --self_label.epochs 3 --gcc.epochs 70"
    options = parse(words.split())
    first = resolve_config(options)
    second = resolve_self_label(options, first)
    assert first.self_label == Config().self_label
    assert first.gcc.epochs == second.gcc.epochs == 70
    assert (second.method, second.base, second.self_label.epochs) == ("self-label", "..", 3)
    quick = preset_on_a_run(first, "self-label").self_label
    assert second.self_label.batch_size == quick.batch_size


def test_a_run_on_a_run_has_its_base_and_its_own_schedule() -> None:
    base = build_config(preset_config("paper", "stl10", "gcc"), {"seed": 5, "backbone.width": 16})
    config = refined("refine --run a", base)
    assert config == build_config(preset_on_a_run(base, "ruc"), {"base": ".."})
    assert (config.seed, config.data, config.backbone) == (5, base.data, base.backbone)
    assert config.ruc.unlabelled_weight == 50
    changed = refined("refine --run a --seed 6 --ruc.epochs 3 --graph.k 2 --labels y.csv", base)
    assert (changed.seed, changed.ruc.epochs, changed.graph.k) == (6, 3, (2,))
    assert changed.data.labels == "y.csv"


def test_a_file_of_such_a_run_makes_it_again_and_decides_nothing_of_the_base(home: Path) -> None:
    base = preset_config("quick", "digits", "gcc")
    config = refined("refine --run a --ruc.epochs 3", base)
    (home / "c.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert refined("refine --run a --config c.yaml", base) == config
    (home / "c.yaml").write_text("num_clusters: 7\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"'num_clusters' is 10 in the run to begin with .*got 7"):
        refined("refine --run a --config c.yaml", base)
