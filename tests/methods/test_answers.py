import numpy as np
import pytest
import torch

from iciclegcn.config import AutoEncoderConfig, BackboneConfig, Config, DataConfig
from iciclegcn.data.views import evaluation_view
from iciclegcn.methods.answers import answers, warn_of_lost_clusters
from iciclegcn.methods.classifiers import ClassifierShape, build_classifier
from iciclegcn.nn.classifier import ClassifierEnsemble
from iciclegcn.runtime import Runtime
from tests.memory_monitor import MemoryMonitor

CONFIG = Config(
    num_clusters=3,
    data=DataConfig(image_size=8),
    backbone=BackboneConfig(name="convnet", stem="plain", width=8),
    autoencoder=AutoEncoderConfig(hidden_channels=(6, 5)),
)


@pytest.mark.parametrize("num_networks", [1, 2])
def test_answers_are_each_networks_and_the_joint_one(num_networks: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 1, 8, 8), dtype=np.uint8)
    torch.manual_seed(0)
    model = build_classifier(CONFIG, ClassifierShape(1, num_networks=num_networks))
    found = answers(images, model, CONFIG, Runtime.create(0, "cpu", "fp32"))
    assert not model.training
    with torch.no_grad():
        x = model.features(evaluation_view(torch.from_numpy(images), 8))
        if isinstance(model, ClassifierEnsemble):
            each = model.logits_of_each(x)
        else:
            each = [model.logits(x)]
        for number, logits in enumerate([*each, model.logits(x)]):
            confidences, labels = logits.softmax(dim=1).max(dim=1)
            assert torch.equal(found.labels[:, number], labels)
            torch.testing.assert_close(found.confidences[:, number], confidences)
    assert found.labels.shape == (7, num_networks + 1)


def test_lost_clusters_are_named() -> None:
    monitor = MemoryMonitor()
    warn_of_lost_clusters(torch.tensor([0, 2, 4, 4]), torch.tensor([2, 2, 5, 1]), monitor)
    assert monitor.warnings == ["the training lost 2 of the clusters it began with: 0, 4"]
    monitor.warnings.clear()
    warn_of_lost_clusters(torch.tensor([0, 1]), torch.tensor([1, 0]), monitor)
    assert monitor.warnings == []
    warn_of_lost_clusters(torch.arange(20), torch.zeros(20, dtype=torch.long), monitor)
    assert monitor.warnings[0].endswith(
        "lost 19 of the clusters it began with: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ..."
    )
