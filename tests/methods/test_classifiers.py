from dataclasses import replace

import numpy as np
import pytest
import torch

from iciclegcn.config import AutoEncoderConfig, BackboneConfig, Config, DataConfig
from iciclegcn.data.views import evaluation_view
from iciclegcn.methods.classifiers import ClassifierShape, build_classifier, classify
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.classifier import Classifier, ClassifierEnsemble, EncoderHead
from iciclegcn.runtime import Runtime

CONFIG = Config(
    num_clusters=3,
    data=DataConfig(image_size=8),
    backbone=BackboneConfig(name="convnet", stem="plain", width=8),
    autoencoder=AutoEncoderConfig(hidden_channels=(6, 5)),
)


def images(n: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize("num_networks", [1, 2])
def test_classify_gives_each_networks_logits_of_every_image(num_networks: int) -> None:
    runtime = Runtime.create(0, "cpu", "fp32")
    model = build_classifier(CONFIG, ClassifierShape(1, num_networks=num_networks)).eval()
    found = classify(images(), model, CONFIG, runtime, NullMonitor())
    assert found.x.shape == (5, 8 * num_networks)
    assert found.logits.shape == (5, num_networks, 3)
    with torch.no_grad():
        answer = model(evaluation_view(torch.from_numpy(images()), 8))
    np.testing.assert_allclose(found.answer, answer, rtol=1e-4, atol=1e-5)


def test_the_head_is_linear_or_the_encoder() -> None:
    linear = build_classifier(CONFIG, ClassifierShape(3))
    assert isinstance(linear, Classifier)
    assert isinstance(linear.head, torch.nn.Linear)
    encoder = build_classifier(CONFIG, ClassifierShape(3, head="encoder"))
    assert isinstance(encoder, Classifier)
    assert isinstance(encoder.head, EncoderHead)
    assert [layer.out_features for layer in encoder.head.layers] == [6, 5, 3]


def test_networks_of_an_ensemble_differ() -> None:
    both = build_classifier(CONFIG, ClassifierShape(1, num_networks=2))
    assert isinstance(both, ClassifierEnsemble)
    first, second = both.networks
    assert not torch.equal(first.head.weight, second.head.weight)  # type: ignore[arg-type, union-attr]


def test_clusters_must_be_known() -> None:
    with pytest.raises(ValueError, match=r"'num_clusters' must be resolved .* \(got None\)"):
        build_classifier(replace(CONFIG, num_clusters=None), ClassifierShape(1))
