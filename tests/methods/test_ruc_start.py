from dataclasses import replace

import numpy as np
import pytest
import torch

from iciclegcn.config import Config, DataConfig, RUCConfig
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.errors import UserError
from iciclegcn.methods.ruc_sampling import Clustering
from iciclegcn.methods.ruc_start import check_clustering, first_trust, fresh_networks
from iciclegcn.nn.backbone import ConvNet
from iciclegcn.nn.classifier import Classifier, ClassifierEnsemble
from iciclegcn.runtime import Runtime
from tests.memory_monitor import MemoryMonitor

RUNTIME = Runtime.create(0, "cpu", "fp32")
IMAGES = np.zeros((6, 1, 8, 8), dtype=np.uint8)


def clustering(assignments: tuple[int, ...] = (0, 0, 1, 1, 2, 2)) -> Clustering:
    confidences = np.array([0.999, 0.5, 0.6, 0.7, 1.0, 0.2], dtype=np.float32)
    return Clustering(np.array(assignments), confidences, np.eye(6, 3, dtype=np.float32))


def config(**options: object) -> Config:
    chosen = RUCConfig(**({"sampling": "confidence"} | options))  # type: ignore[arg-type]
    return Config(num_clusters=3, data=DataConfig(image_size=8), ruc=chosen)


def test_both_networks_begin_with_the_backbone_and_heads_of_their_own() -> None:
    torch.manual_seed(1)
    backbone = ConvNet(1, 12)
    weights = {name: value.clone() for name, value in backbone.state_dict().items()}
    model = fresh_networks(IMAGES, backbone, config(), RUNTIME)
    assert isinstance(model, ClassifierEnsemble)
    first, second = model.networks
    assert isinstance(first, Classifier)
    assert isinstance(second, Classifier)
    assert first.num_features == 12
    for network in (first, second):
        assert network.backbone is not backbone
        for name, value in network.backbone.state_dict().items():
            assert torch.equal(value, weights[name])
    heads = [network.head.state_dict()["weight"] for network in (first, second)]
    assert heads[0].shape == (3, 12)
    assert not torch.equal(*heads)
    assert backbone.training
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, weights[name])


def test_heads_follow_the_seed_and_one_network_is_enough_without_co_training() -> None:
    alone = config(co_training=False)
    backbone = ConvNet(1, 12)
    model = fresh_networks(IMAGES, backbone, alone, RUNTIME)
    assert isinstance(model, Classifier)
    torch.manual_seed(99)
    again = fresh_networks(IMAGES, backbone, alone, RUNTIME)
    assert torch.equal(model.state_dict()["head.weight"], again.state_dict()["head.weight"])


@pytest.mark.parametrize("co_training", [True, False])
def test_at_first_no_network_is_relied_on(co_training: bool) -> None:
    monitor = MemoryMonitor()
    options = config(least_clean=0.5, co_training=co_training)
    trust = first_trust(clustering(), options, RUNTIME, monitor)
    assert trust.clean.tolist() == [True, False, False, True, True, False]
    assert trust.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert trust.reliance.shape == (6, 2 if co_training else 1)
    assert not trust.reliance.any()
    assert monitor.warnings == []


@pytest.mark.parametrize(("threshold", "count"), [(0.99, 1), (1.0, 2)])
def test_clusters_without_a_clean_image_are_told(threshold: float, count: int) -> None:
    monitor = MemoryMonitor()
    options = config(least_clean=0.0, confidence_threshold=threshold)
    first_trust(clustering(), options, RUNTIME, monitor)
    assert len(monitor.warnings) == 1
    assert monitor.warnings[0].startswith(f"{count} of the clusters have no clean image")
    assert "'ruc.least_clean'" in monitor.warnings[0]


def test_a_clustering_of_other_images_or_clusters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"of the 5 images \(got \(6, 6, 6\) rows\)"):
        check_clustering(IMAGES[:5], clustering(), config(), RUNTIME)
    for wrong in ((0, 0, 1, 1, 2, 3), (-1, 0, 1, 1, 2, 2)):
        with pytest.raises(ValueError, match=r"must be in \[0, 3\) .*set 'num_clusters'"):
            check_clustering(IMAGES, clustering(wrong), config(), RUNTIME)
    check_clustering(IMAGES, clustering((0, 0, 0, 0, 0, 0)), config(), RUNTIME)


def test_more_processes_than_images_in_a_batch_are_refused() -> None:
    many = replace(RUNTIME, ranks=Ranks(0, 3))
    with pytest.raises(UserError, match=r"'ruc.batch_size' .* processes, 3 \(got 2\)"):
        check_clustering(IMAGES, clustering(), config(batch_size=2), many)
