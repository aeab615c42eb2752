"""Answers of the methods that `test_prediction` leaves out, and of runs on features."""

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphs import NeighborIndex
from iciclegcn import Run
from iciclegcn.config import BackboneConfig
from iciclegcn.data.views import evaluation_view
from iciclegcn.errors import UserError
from iciclegcn.methods.classifiers import ClassifierShape, build_classifier
from iciclegcn.methods.embedding import embed
from iciclegcn.methods.new_nodes import NewNodes, attach_and_assign
from iciclegcn.nn.pretrained.loading import load_backbone
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.prediction import predictors
from iciclegcn.prediction.feature_network import read_mgcn
from iciclegcn.prediction.predictors import ClassifierPredictor, GraphPredictor, make_predictor
from iciclegcn.results.networks import write_classifier
from iciclegcn.run_folder import backbone
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.base import BaseRun, open_base
from iciclegcn.run_folder.graphs import read_neighbors
from iciclegcn.run_folder.manifest import Manifest
from iciclegcn.run_folder.scaling import read_scaling
from iciclegcn.runtime import Runtime
from iciclegcn.stages.rank_tasks import index_folder
from tests.finished_runs import features_run, icicle_run, new_digits
from tests.tiny_networks import tiny_network, write_torchscript
from tests.tiny_run import tiny_gcc

RUNTIME = Runtime(0, torch.device("cpu"), "fp32")
NEW = new_digits(5)[:, None]


def rows(count: int, seed: int) -> np.ndarray:
    """Three groups far from each other, float32 [n, 6]."""
    generator = np.random.default_rng(seed)
    centers = 8 * np.eye(3, 6)[generator.integers(3, size=count)]
    return (centers + generator.normal(size=(count, 6))).astype(np.float32)


@pytest.fixture(scope="module")
def on_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    return features_run(folder, rows(90, 0), num_clusters=3, data__scaling="unit")


@pytest.fixture(scope="module")
def on_frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    network = write_torchscript(folder / "net.pt")
    chosen = {"backbone__name": str(network), "backbone__image_size": 8, "encode__epochs": 2}
    return icicle_run(folder, **chosen, data__scaling="unit")


@pytest.mark.parametrize("networks", [1, 2])
def test_networks_answer_together_and_each_for_itself(networks: int, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_gcc(tmp_path / "images.npy"), method="ruc", base="..")
    artefacts = RunArtefacts(tmp_path)
    torch.manual_seed(0)
    model = build_classifier(config, ClassifierShape(1, "linear", networks)).eval()
    write_classifier(artefacts, model, config, 1)
    manifest = Manifest.new(tmp_path / "manifest.json", 0, "ruc")
    predictor = make_predictor(BaseRun(tmp_path, config, manifest, artefacts))
    assert isinstance(predictor, ClassifierPredictor)
    found = predictor(NEW)
    with torch.no_grad():
        views = evaluation_view(torch.from_numpy(NEW), 8)
        each = model.logits_of_each(model.features(views))
    expected = torch.softmax(torch.stack(each).sum(dim=0) / networks**0.5, dim=1)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert len(found.heads) == (networks if networks > 1 else 0)
    for head, logits in zip(found.heads, each, strict=False):
        np.testing.assert_allclose(head, torch.softmax(logits, dim=1), atol=1e-6)


def test_a_run_on_features_takes_a_matrix(on_features: Path, tmp_path: Path) -> None:
    run, new = Run.load(on_features), rows(20, 1)
    found = run.predict(new)
    np.save(tmp_path / "new.npy", new)
    read = run.predict(tmp_path / "new.npy")
    np.testing.assert_array_equal(found.probabilities, read.probabilities)
    assert found.paths == [str(number) for number in range(20)]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    with pytest.raises(UserError, match=r"must have 6 columns.*\(got 4\)"):
        run.predict(new[:, :4])
    with pytest.raises(UserError, match="one matrix"):
        run.predict(["a.npy", "b.npy"])
    with pytest.raises(UserError, match="must be finite"):
        run.predict(np.where(new > 8, np.nan, new))


def test_given_features_are_scaled_as_the_run_s_were(on_features: Path) -> None:
    run, new = open_base(on_features), rows(20, 1)
    x, scaling = run.artefacts.read_array("features"), read_scaling(run.artefacts)
    np.testing.assert_allclose(x, scaling.apply(rows(90, 0)), atol=1e-6)
    assert np.abs(x - rows(90, 0)).max() > 1
    model, neighbors = read_mgcn(run.artefacts, run.config), read_neighbors(run.artefacts)
    expected = attach_and_assign(scaling.apply(new), x, neighbors, model, run.config, RUNTIME)
    found = Run.load(on_features).predict(new)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)


def test_old_rows_are_found_again(on_features: Path) -> None:
    run = Run.load(on_features)
    known = run.artefacts.read_assignments().clusters
    assert np.mean(run.predict(rows(90, 0)).clusters == known) > 0.9


def test_a_saved_index_is_searched(on_features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_base(on_features)
    built = GraphPredictor(run, RUNTIME)(rows(5, 2)).probabilities
    x = run.artefacts.read_array("features")
    folder = index_folder(on_features)
    NeighborIndex.build(x, 3).save(folder)
    monkeypatch.setattr(NeighborIndex, "build", None)
    found = GraphPredictor(run, RUNTIME)(rows(5, 2)).probabilities
    np.testing.assert_allclose(found, built, atol=1e-6)
    # One of other rows, as after a search with other features, is passed over.
    monkeypatch.undo()
    NeighborIndex.build(x + 1, 3).save(folder)
    again = GraphPredictor(run, RUNTIME)(rows(5, 2)).probabilities
    np.testing.assert_allclose(again, built, atol=1e-6)


def test_options_of_the_graph_stay_those_of_the_run(
    on_features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    original = NewNodes

    def spy(*arguments: object, **named: object) -> object:
        seen.append(arguments[3].graph.k)  # type: ignore[attr-defined]
        return original(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(predictors, "NewNodes", spy)
    Run.load(on_features).predict(rows(2, 3))
    assert seen == [(1, 3)]


def test_a_frozen_backbone_gives_the_features_of_new_images(tmp_path: Path) -> None:
    network = write_torchscript(tmp_path / "net.pt")
    chosen = {"backbone__name": str(network), "backbone__image_size": 8, "encode__epochs": 2}
    path = icicle_run(tmp_path, **chosen, data__scaling="unit")
    run, x = open_base(path), RunArtefacts(path).read_array("features")
    with torch.no_grad():
        views = evaluation_view(torch.from_numpy(NEW), 8)
        new = read_scaling(run.artefacts).apply(load_backbone(run.config.backbone)(views).numpy())
    model, neighbors = read_mgcn(run.artefacts, run.config), read_neighbors(run.artefacts)
    expected = attach_and_assign(new, x, neighbors, model, run.config, RUNTIME)
    found = Run.load(path).predict(NEW[:, 0])
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    write_torchscript(network, tiny_network(1))
    with pytest.raises(UserError, match="are not those that gave the features"):
        Run.load(path).predict(NEW[:, 0])


@pytest.mark.parametrize(
    ("told", "full"),
    [
        ("fp32", True),
        (None, True),  # of an earlier version
        ("bf16", False),
        ("fp16", True),  # bf16 was never held against float32
    ],
)
def test_new_images_are_shown_in_the_precision_of_the_features(
    told: str | None, full: bool, on_frozen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(config: BackboneConfig) -> PretrainedNetwork:
        network = load_backbone(config)
        network.full_precision = False  # as networks are that come in no file
        return network

    seen: list[bool] = []

    def spy(items: np.ndarray, network: PretrainedNetwork, *others: Any) -> np.ndarray:
        seen.append(network.full_precision)
        return embed(items, network, *others)

    file = on_frozen / "backbone.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content |= {"precision": told}
    file.write_text(
        json.dumps({k: v for k, v in content.items() if v is not None}), encoding="utf-8"
    )
    monkeypatch.setattr(backbone, "load_backbone", load)
    monkeypatch.setattr(predictors, "embed", spy)
    predictor = GraphPredictor(open_base(on_frozen), Runtime(0, torch.device("cpu"), "bf16"))
    assert predictor(NEW).probabilities.shape[0] == len(NEW)
    assert seen == [full]


def test_a_full_temporary_folder_is_a_mistake_that_can_be_mended(
    on_features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, num_bytes: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run = open_base(on_features)
    options = dataclasses.replace(run.config.mgcn, memory_gib=1e-9)
    run = run._replace(config=dataclasses.replace(run.config, mgcn=options))
    monkeypatch.setattr("iciclegcn.nn.layerwise.reserve", full)
    with pytest.raises(
        UserError, match=r"cannot keep .* \(No space left on device\); set TMPDIR to"
    ):
        GraphPredictor(run, RUNTIME)(rows(5, 2))
