from pathlib import Path

import numpy as np
import pytest
import torch

from iciclegcn.config import Config
from iciclegcn.data.cache import CachedImages
from iciclegcn.methods.pretraining import PretrainModel
from iciclegcn.progress import SilentReporter
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.stages.graph import graph_stage
from iciclegcn.stages.icicle import cluster_stage, embed_stage, pretrain_stage
from tests.tiny_run import tiny_config, write_images

N = 120


class Recorder(SilentReporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []

        self.notes: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture
def images(tmp_path: Path) -> CachedImages:
    pixels = np.load(write_images(tmp_path / "images.npy"))[:, None]
    return CachedImages(pixels, [str(i) for i in range(N)], np.arange(N), [], "hash")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return tiny_config(tmp_path / "images.npy")


def model_in(folder: RunFolder) -> PretrainModel:
    state, metadata = folder.artefacts.read_model("pretrain")
    model = PretrainModel(folder.config, metadata["in_channels"])
    model.load_state_dict(state)
    return model.eval()


def write_constant_model(folder: RunFolder) -> None:
    """A model whose code puts every image into cluster 0."""
    model = PretrainModel(folder.config, 1)
    last = model.autoencoder.encoder[-1]
    with torch.no_grad():
        last.weight.zero_()  # type: ignore[operator]
        last.bias.copy_(torch.tensor([5.0, 0, 0, 0]))  # type: ignore[operator]
    with folder.stage("pretrain", SilentReporter()):
        folder.artefacts.write_model("pretrain", model.state_dict(), {"in_channels": 1})


def test_pretraining_leaves_a_model_and_what_it_was_made_with(
    images: CachedImages, config: Config, tmp_path: Path
) -> None:
    with RunFolder.create(tmp_path / "run", config) as folder:
        pretrain_stage(folder, images, SilentReporter())
        model = model_in(folder)
        runtime = folder.manifest.stage("pretrain")["runtime"]
    assert model.num_features == 16
    assert runtime["device"] == "cpu"
    assert runtime["precision"] == "fp32"
    assert runtime["threads"] >= 1


def test_embedding_keeps_the_code_of_stage_1(
    images: CachedImages, config: Config, tmp_path: Path
) -> None:
    with RunFolder.create(tmp_path / "run", config) as folder:
        pretrain_stage(folder, images, SilentReporter())
        embed_stage(folder, images, SilentReporter())
        x = torch.from_numpy(folder.artefacts.read_array("features"))
        code = torch.from_numpy(folder.artefacts.read_array("pretrained_code"))
        autoencoder = model_in(folder).autoencoder
    with torch.no_grad():
        expected = autoencoder.encode(x)[-1]
    torch.testing.assert_close(code, expected)
    assert code.shape == (N, 4)


def test_stage_2_leaves_the_code_of_stage_1_alone(
    images: CachedImages, config: Config, tmp_path: Path
) -> None:
    with RunFolder.create(tmp_path / "run", config) as folder:
        with folder.stage("data", SilentReporter()):
            folder.artefacts.write_listing(images.paths, images.kept, [])
        pretrain_stage(folder, images, SilentReporter())
        embed_stage(folder, images, SilentReporter())
        before = folder.artefacts.read_array("pretrained_code")
        graph_stage(folder, SilentReporter())
        cluster_stage(folder, SilentReporter())
        np.testing.assert_array_equal(folder.artefacts.read_array("pretrained_code"), before)
        assert not np.array_equal(folder.artefacts.read_arrays("assignments_soft")["code"], before)


def test_stage_2_in_cells_leaves_results_of_every_image_and_nothing_else(
    images: CachedImages, tmp_path: Path
) -> None:
    changes = {"mgcn__partition": "cells", "mgcn__cell_size": 30, "mgcn__cells_per_step": 2}
    config = tiny_config(tmp_path / "images.npy", **changes)
    with RunFolder.create(tmp_path / "run", config) as folder:
        with folder.stage("data", SilentReporter()):
            folder.artefacts.write_listing(images.paths, images.kept, [])
        pretrain_stage(folder, images, SilentReporter())
        embed_stage(folder, images, SilentReporter())
        graph_stage(folder, SilentReporter())
        before = sorted(path.name for path in (tmp_path / "run").iterdir())
        cluster_stage(folder, SilentReporter())
        assignments = folder.artefacts.read_assignments()
        code = folder.artefacts.read_arrays("assignments_soft")["code"]
        after = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert assignments.paths == images.paths
    assert code.shape == (N, 4)
    assert set(after) - set(before) == {"assignments.csv", "assignments_soft.npz"}


def test_a_collapsed_code_is_told_with_remedies(
    images: CachedImages, config: Config, tmp_path: Path
) -> None:
    recorder = Recorder()
    with RunFolder.create(tmp_path / "run", config) as folder:
        write_constant_model(folder)
        embed_stage(folder, images, recorder)
    assert len(recorder.warnings) == 1
    assert "3 of 4 clusters are empty and the largest cluster holds 100%" in recorder.warnings[0]
    assert "--pretrain.epochs" in recorder.warnings[0]


def test_nothing_fails_when_clusters_are_empty(images: CachedImages, tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "images.npy", mgcn__code_warmup_steps=0, mgcn__centers="code")
    recorder = Recorder()
    with RunFolder.create(tmp_path / "run", config) as folder:
        with folder.stage("data", SilentReporter()):
            folder.artefacts.write_listing(images.paths, images.kept, [])
        write_constant_model(folder)
        embed_stage(folder, images, SilentReporter())
        graph_stage(folder, recorder)
        cluster_stage(folder, recorder)
        clusters = folder.artefacts.read_assignments().clusters
    assert len(clusters) == N
    assert len(np.unique(clusters)) < 4
    assert recorder.warnings
