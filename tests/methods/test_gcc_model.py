import pytest
import torch

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.methods.classifiers import ClassifierShape, build_classifier
from iciclegcn.methods.gcc_model import build_gcc_model


def config(**changes: object) -> Config:
    fixed: dict[str, object] = {
        "num_clusters": 4,
        "backbone.name": "convnet",
        "backbone.width": 8,
        "gcc.projection_channels": 5,
        "gcc.num_heads": 3,
    }
    return build_config(Config(), fixed | changes)


def test_features_embeddings_and_logits_have_their_shapes() -> None:
    model = build_gcc_model(config(), 1)
    x = model(torch.zeros(2, 1, 8, 8))
    assert x.shape == (2, model.num_features) == (2, 8)
    assert model.projection(x).shape == (2, 5)
    assert model.logits(x.bfloat16().float()).shape == (2, 3, 4)
    torch.testing.assert_close(model.logits(x)[:, 1], model.heads[1](x))


def test_the_classifier_is_that_of_the_chosen_head() -> None:
    model = build_gcc_model(config(), 3).eval()
    views = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for number in (0, 2):
        model.choose_head(number)
        assert model.best_head == number
        logits = model.logits(model(views))[:, number]
        torch.testing.assert_close(model.classifier()(views), logits)


def test_the_chosen_head_travels_with_the_weights() -> None:
    model, other = build_gcc_model(config(), 3), build_gcc_model(config(), 3)
    model.choose_head(2)
    other.load_state_dict(model.state_dict())
    assert other.best_head == 2


def test_the_classifiers_weights_fit_the_run_folders() -> None:
    model = build_gcc_model(config(), 1)
    other = build_classifier(config(), ClassifierShape(1))
    other.load_state_dict(model.classifier().state_dict())
    views = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(other.eval()(views), model.classifier().eval()(views))


def test_the_number_of_clusters_must_be_known() -> None:
    with pytest.raises(ValueError, match=r"'num_clusters' must be resolved"):
        build_gcc_model(config(num_clusters=None), 3)
