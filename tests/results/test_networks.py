"""What a base gives, on runs whose weights are random and whose results are made by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from iciclegcn.config import BackboneConfig, Config
from iciclegcn.errors import UserError
from iciclegcn.methods.classifiers import ClassifierShape, build_classifier
from iciclegcn.methods.gcc_model import build_gcc_model
from iciclegcn.methods.pretrain_model import PretrainModel
from iciclegcn.nn import MGCN
from iciclegcn.results.networks import (
    read_classifier,
    read_clusters,
    read_embedding_network,
    write_classifier,
)
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.base import BaseRun
from iciclegcn.run_folder.manifest import Manifest
from tests.tiny_run import tiny_config, tiny_gcc

VIEWS = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
PATHS = [str(index) for index in range(9)]


@pytest.fixture
def artefacts(tmp_path: Path) -> RunArtefacts:
    return RunArtefacts(tmp_path)


@pytest.fixture
def icicle() -> Config:
    return tiny_config(Path("images.npy"))


def bare(artefacts: RunArtefacts, config: Config) -> BaseRun:
    manifest = Manifest.new(artefacts.path / "manifest.json", 0, config.method)
    return BaseRun(artefacts.path, config, manifest, artefacts)


@torch.no_grad()
def test_an_icicle_run_answers_with_its_code_in_the_order_of_its_clusters(
    artefacts: RunArtefacts, icicle: Config
) -> None:
    torch.manual_seed(0)
    model = PretrainModel(icicle, 1).eval()
    trained = MGCN(model.autoencoder, 2)
    for parameter in trained.autoencoder.parameters():
        parameter.mul_(3.0)  # stage 2 has changed the encoder
    code = trained.autoencoder.encode(model(VIEWS))[-1]
    shifted = np.roll(code.numpy(), 1, axis=1)  # cluster k + 1 is what the code calls k
    artefacts.write_model("pretrain", model.state_dict(), {"in_channels": 1})
    artefacts.write_model("mgcn", trained.state_dict(), {})
    artefacts.write_arrays("assignments_soft", {"code": code.numpy(), "output": shifted})
    artefacts.write_assignments(PATHS, shifted)
    classifier = read_classifier(artefacts, icicle)
    answer = torch.softmax(classifier(VIEWS), dim=1)
    assert not classifier.training
    clusters = artefacts.read_assignments().clusters
    np.testing.assert_array_equal(answer.argmax(dim=1), clusters)
    present = np.unique(clusters)
    torch.testing.assert_close(answer[:, present], torch.from_numpy(shifted[:, present].copy()))
    [member] = classifier.members()
    torch.testing.assert_close(member.backbone(VIEWS), model.backbone(VIEWS))
    network = read_embedding_network(bare(artefacts, icicle))
    torch.testing.assert_close(network(VIEWS), model.instance_head(model(VIEWS)))
    assert network.num_features == 8


@torch.no_grad()
@pytest.mark.parametrize("networks", [1, 2])
@pytest.mark.parametrize("head", ["linear", "encoder"])
def test_a_classifier_comes_back(
    networks: int, head: str, artefacts: RunArtefacts, icicle: Config
) -> None:
    config = dataclasses.replace(icicle, method="ruc", base="..")
    model = build_classifier(config, ClassifierShape(1, head, networks)).eval()
    write_classifier(artefacts, model, config, 1)
    again = read_classifier(artefacts, config)
    assert not again.training
    torch.testing.assert_close(again(VIEWS), model(VIEWS))
    assert len(again.members()) == networks
    for found, member in zip(again.members(), model.members(), strict=True):
        torch.testing.assert_close(found(VIEWS), member(VIEWS))


@torch.no_grad()
def test_the_embeddings_are_those_of_the_first_run_of_a_chain(tmp_path: Path) -> None:
    gcc = tiny_gcc(Path("images.npy"))
    model = build_gcc_model(gcc, 1).eval()
    base = RunArtefacts(tmp_path)
    base.write_model("gcc", model.state_dict(), {"in_channels": 1})
    network = read_embedding_network(bare(base, gcc))
    torch.testing.assert_close(network(VIEWS), model.projection(model(VIEWS)))
    (tmp_path / "taught").mkdir()
    taught = dataclasses.replace(gcc, method="self-label", base="gone")
    run = bare(RunArtefacts(tmp_path / "taught"), taught)
    with pytest.raises(UserError, match="is not a run folder"):
        read_embedding_network(run)


def test_a_frozen_backbone_leaves_no_classifier(artefacts: RunArtefacts, icicle: Config) -> None:
    backbone = BackboneConfig("efficientnet-lite0")
    with pytest.raises(UserError, match="has no classifier of images: its features are given, or"):
        read_classifier(artefacts, dataclasses.replace(icicle, backbone=backbone))


@torch.no_grad()
def test_a_classifier_whose_network_asks_for_a_version_comes_back(
    artefacts: RunArtefacts, icicle: Config
) -> None:
    backbone = BackboneConfig("torchvision:mnasnet0_5", weights="random")
    config = dataclasses.replace(icicle, method="ruc", base="..", backbone=backbone)
    model = build_classifier(config, ClassifierShape(1)).eval()
    write_classifier(artefacts, model, config, 1)
    torch.testing.assert_close(read_classifier(artefacts, config)(VIEWS), model(VIEWS))


def test_weights_that_do_not_fit_are_told(artefacts: RunArtefacts, icicle: Config) -> None:
    config = dataclasses.replace(icicle, method="ruc", base="..")
    model = build_classifier(config, ClassifierShape(1))
    write_classifier(artefacts, model, config, 1)
    wider = dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, width=32))
    with pytest.raises(UserError, match="does not fit the run's configuration"):
        read_classifier(artefacts, wider)
    artefacts.write_model("classifier", model.state_dict(), {"in_channels": 1})
    with pytest.raises(UserError, match="does not fit the run's configuration"):
        read_classifier(artefacts, config)


def test_clusters_come_with_the_probability_of_their_own(artefacts: RunArtefacts) -> None:
    output = np.array([[0.25, 0.75], [0.625, 0.375]])
    artefacts.write_arrays("assignments_soft", {"output": output})
    artefacts.write_assignments(PATHS[:2], output)
    clusters, confidences = read_clusters(artefacts)
    assert clusters.dtype == np.int64
    assert confidences.dtype == np.float32
    assert clusters.tolist() == [1, 0]
    assert confidences.tolist() == [0.75, 0.625]


def test_clusters_of_images_left_unassigned_are_the_most_probable(artefacts: RunArtefacts) -> None:
    output = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    artefacts.write_arrays("assignments_soft", {"output": output})
    artefacts.write_assignments(PATHS[:2], output, abstain=0.5)
    clusters, confidences = read_clusters(artefacts)
    assert clusters.tolist() == [0, 1]
    np.testing.assert_array_equal(confidences, np.array([0.9, 0.6], np.float32))
