"""What the README prints is true: its commands parse, its code runs, its table is the presets'."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from iciclegcn.cli.parser import parse
from iciclegcn.config.values import convert, flatten
from iciclegcn.presets import PRESETS, preset_config
from iciclegcn.run_folder.artefacts import ARTEFACTS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(program: str, text: str = README) -> list[list[str]]:
    lines = "".join(blocks("bash", text)).splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line and line[0] == program]


def code(marker: str) -> str:
    [found] = [block for block in blocks("python") if marker in block]
    return found


def test_every_command_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    found = commands("iciclegcn")
    assert {words[0] for words in found} == {
        *("run", "pretrain", "embed", "graph", "cluster", "evaluate"),
        *("assign", "self-label", "refine", "predict", "export"),
    }
    for words in found:
        if "--help-all" in words:
            with pytest.raises(SystemExit, match="0"):
                parse(words)
            continue
        assert parse(words).command == words[0]
    assert "--pretrain.epochs" in capsys.readouterr().out


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_is_there(document: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    found = commands("make", (ROOT / document).read_text(encoding="utf-8"))
    assert found
    assert {words[0] for words in found} <= set(targets)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_file_it_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:examples|tests|benchmarks|iciclegcn|graphs)/[\w./]*)`", text)
    pictures = re.findall(r"\]\((docs/[^)]+)\)", text)
    assert [name for name in named + pictures if not (ROOT / name).exists()] == []


def test_the_table_lists_every_difference_of_the_presets() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (.*) \| (.*) \| (.*) \|$", README, re.MULTILINE)
    printed = {name: tuple(convert(name, cell) for cell in cells) for name, *cells in rows}
    presets = {name: flatten(preset_config(name, "cifar10")) for name in PRESETS}
    columns = {
        name: tuple(
            convert(name, presets[preset][name]) for preset in ("paper", "official", "quick")
        )
        for name in presets["paper"]
        if name != "preset"
    }
    assert printed == {name: cells for name, cells in columns.items() if len(set(cells)) > 1}


def test_every_result_of_a_run_is_explained() -> None:
    missing = [
        name
        for name in (*sum(ARTEFACTS.values(), ()), "config.yaml", "manifest.json", "history.jsonl")
        if f"`{name.split('/')[0]}" not in README
    ]
    assert missing == []


def test_the_code_for_own_features_finds_far_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    features = np.repeat(np.eye(3), (20, 30, 40), axis=0) + rng.normal(0, 0.05, (90, 3))
    np.save("features.npy", features)
    names: dict[str, object] = {}
    exec(code("features.npy"), names)
    assert sorted(np.bincount(np.asarray(names["clusters"]))) == [20, 30, 40]


def test_the_code_for_the_fusion_layer_runs() -> None:
    names: dict[str, object] = {}
    exec(code("FusionGCNConv("), names)
    assert tuple(getattr(names["out"], "shape", ())) == (3, 8)


def test_the_code_for_a_run_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_run(config: object, out: Path) -> Path:
        assert getattr(config, "num_clusters", None) == 4
        (tmp_path / "assignments.csv").write_text("path,cluster,confidence\na.png,3,0.5\n")
        return tmp_path

    monkeypatch.setattr("iciclegcn.pipeline.run", fake_run)
    names: dict[str, object] = {}
    exec(code("out = run("), names)
    assert getattr(names["assignments"], "paths", None) == ["a.png"]
