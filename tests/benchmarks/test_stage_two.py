import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import stage_two
from benchmarks.stage_two import VARIANTS, official, paper, sdcn
from iciclegcn.config import Config
from iciclegcn.pipeline import run as run_pipeline
from tests.tiny_run import NUM_IMAGES, tiny_config, write_images, write_labels


def test_paper_and_official_differ_as_their_presets_do() -> None:
    start = Config(seed=7)
    assert (paper(start).seed, paper(start).graph.k) == (7, (1, 10))
    assert (official(start).graph.k, official(start).graph.normalization) == ((1, 15), "row")
    assert paper(start).mgcn.sigma == 0.4
    assert official(start).mgcn.shared_weights


def test_sdcn_is_one_stream_whose_layers_take_half_of_the_auto_encoder() -> None:
    config = sdcn(Config())
    assert config.graph.k == (10,)
    assert (config.mgcn.sigma, config.mgcn.gamma, config.mgcn.autoencoder_weight) == (0.5, 0, 0.5)
    assert (config.mgcn.iterations, config.mgcn.output) == (200, "streams")


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage_two")
    images, labels = write_images(folder / "images.npy"), write_labels(folder / "labels.csv")
    return run_pipeline(tiny_config(images, data__labels=str(labels)), folder / "run")


def test_a_short_budget_stops_before_the_published_number_of_steps(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["stage_two", "sdcn", "--run", str(finished_run), "--seconds", "0"]
    monkeypatch.setattr(sys, "argv", [*words, "--out", str(tmp_path / "out")])
    stage_two.main()
    facts = json.loads((tmp_path / "out" / "facts.json").read_text(encoding="utf-8"))
    assert (facts["epochs"], facts["published_epochs"]) == (1, 200)
    with np.load(tmp_path / "out" / "found.npz") as found:
        soft, hard = found["probabilities"], found["assignments"]
    assert soft.shape == (NUM_IMAGES, 4)
    assert soft.sum(axis=1) == pytest.approx(np.ones(NUM_IMAGES), abs=1e-5)
    assert np.array_equal(soft.argmax(axis=1), hard)


def test_every_variant_has_a_name_on_the_command_line() -> None:
    assert list(VARIANTS) == ["paper", "official", "sdcn"]
