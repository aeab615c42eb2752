import pytest
import torch
from torch import nn

from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.nn.classifier import Classifier, ClassifierEnsemble, EncoderHead, joint_logits

IMAGES = torch.arange(24.0).view(2, 3, 2, 2) / 24


def classifier(seed: int, channels: int = 4, num_clusters: int = 3) -> Classifier:
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, channels))
    return Classifier(backbone, nn.Linear(channels, num_clusters), channels)


def test_a_classifier_is_its_head_on_its_features() -> None:
    model = classifier(0)
    expected = model.head(model.backbone(IMAGES))
    assert torch.equal(model(IMAGES), expected)
    assert torch.equal(model.logits(model.features(IMAGES)), expected)


def test_logits_are_float32_in_any_precision() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert classifier(0)(IMAGES).dtype == torch.float32


def test_joint_logits_are_the_sum_over_the_root_of_the_number() -> None:
    each = torch.tensor([[[3.0, 0.0], [1.0, 0.0], [0.0, 2.0], [2.0, 4.0]]])  # [1, 4, 2]
    assert joint_logits(each).tolist() == [[3.0, 3.0]]
    assert joint_logits(each[:, :1]).tolist() == [[3.0, 0.0]]


def test_joint_logits_name_the_cluster_of_the_sum() -> None:
    each = torch.randn(50, 3, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(joint_logits(each).argmax(dim=1), each.sum(dim=1).argmax(dim=1))


def test_networks_that_agree_are_surer_together_but_not_twice_as_sure() -> None:
    one = torch.tensor([[[1.0, 0.0]]])
    odds = joint_logits(one.repeat(1, 2, 1)).diff(dim=1).neg().item()
    assert odds == pytest.approx(2**0.5)


def test_an_ensemble_answers_by_the_joint_logits_of_its_networks() -> None:
    first, second = classifier(0, channels=4), classifier(1, channels=5)
    both = ClassifierEnsemble([first, second])
    assert both.num_features == 9
    torch.testing.assert_close(both(IMAGES), (first(IMAGES) + second(IMAGES)) / 2**0.5)
    x = both.features(IMAGES)
    assert torch.equal(x, torch.cat([first.features(IMAGES), second.features(IMAGES)], dim=1))
    for found, network in zip(both.logits_of_each(x), (first, second), strict=True):
        torch.testing.assert_close(found, network(IMAGES))


def test_an_encoder_head_gives_the_logits_of_the_code() -> None:
    torch.manual_seed(0)
    autoencoder = AutoEncoder(6, (8, 5), 4)
    head = EncoderHead(autoencoder.widths)
    state = autoencoder.encoder.state_dict()
    head.layers.load_state_dict(state)
    x = torch.randn(7, 6)
    torch.testing.assert_close(head(x).softmax(dim=1), autoencoder.encode(x)[-1])
