"""Every example runs as it is called from a shell, and finds what is there to find."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iciclegcn.pipeline import run
from tests.tiny_run import tiny_config, write_images

EXAMPLES = Path(__file__).parents[1] / "examples"
Example = Callable[..., str]


@pytest.fixture
def example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Example:
    """Runs an example in an empty folder and returns what it prints."""
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: str) -> str:
        file = EXAMPLES / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(file), *arguments])
        runpy.run_path(str(file), run_name="__main__")
        return capsys.readouterr().out

    return call


def functions(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def test_fusion_layer_compares_five_models_and_finds_groups(example: Example) -> None:
    printed = example("fusion_layer", "2")
    means = [float(mean) for mean in re.findall(r"(0\.\d+) ± ", printed)]
    assert len(means) == 5
    assert means[-1] > 0.3  # groups drawn at random agree by 0.02
    assert printed.count("of 2 seeds") == 4


def test_own_features_separates_far_groups(example: Example, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = np.repeat(8 * np.eye(3), (20, 30, 40), axis=0) + rng.normal(0, 0.5, (90, 3))
    np.save(tmp_path / "features.npy", features)
    sizes = re.search(r"cluster sizes: \[(.*)\]", example("own_features", "features.npy", "3"))
    assert sizes is not None
    assert sorted(map(int, sizes[1].split(","))) == [20, 30, 40]


def test_own_photographs_names_every_image_once(example: Example, tmp_path: Path) -> None:
    functions("own_photographs")["paint_folder"](tmp_path / "pictures", each=6)
    lines = example("own_photographs", "pictures", "4").splitlines()
    sizes = [re.match(r"cluster (\d): (\d+) images", line) for line in lines]
    assert [int(size[1]) for size in sizes if size] == [0, 1, 2, 3]
    assert sum(int(size[2]) for size in sizes if size) == 24


def test_cluster_montage_draws_every_cluster(example: Example, tmp_path: Path) -> None:
    run(tiny_config(write_images(tmp_path / "images.npy")), tmp_path / "run")
    assert "wrote montage.png" in example("cluster_montage", "run", "montage.png")
    with Image.open(tmp_path / "montage.png") as picture:
        drawn = np.asarray(picture.convert("L"))
    assert drawn.shape[1] > 2 * drawn.shape[0]  # four clusters of sixteen columns
    assert (drawn < 100).mean() > 0.1


def test_cluster_montage_puts_the_most_confident_first() -> None:
    most_confident = functions("cluster_montage")["most_confident"]
    clusters = np.array([1, 0, 1, 1, 0, 1])
    confidences = np.array([0.5, 0.99, 0.9, 0.7, 0.3, 0.9])
    assert most_confident(clusters, confidences, 1, 3).tolist() == [2, 5, 3]


def test_a_montage_needs_two_paths(example: Example) -> None:
    with pytest.raises(SystemExit, match="usage"):
        example("cluster_montage", "run")
