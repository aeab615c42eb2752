import dataclasses
import inspect
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from iciclegcn.config import Config, PretrainConfig
from iciclegcn.config.values import build_config
from iciclegcn.data.views import evaluation_view, random_views
from iciclegcn.losses.contrastive import cluster_loss, instance_loss
from iciclegcn.methods import pretrain_model, pretraining
from iciclegcn.methods.pretraining import PretrainModel, embed, pretrain, pretrain_losses
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime
from tests.memory_monitor import Interrupted, MemoryMonitor

NUM_CLUSTERS, SIDE = 3, 8


def tiny_config(**changes: object) -> Config:
    """A network of a few hundred weights; ``changes`` to the fields of stage 1."""
    fixed: dict[str, object] = {
        "num_clusters": NUM_CLUSTERS,
        "data.image_size": SIDE,
        "backbone.name": "convnet",
        "backbone.stem": "small",
        "backbone.width": 8,
        "autoencoder.hidden_channels": (6,),
        "pretrain.epochs": 3,
        "pretrain.batch_size": 4,
        "pretrain.learning_rate": 1e-2,
        "pretrain.projection_channels": 5,
    }
    return build_config(Config(), fixed | {f"pretrain.{k}": v for k, v in changes.items()})


def some_images(n: int = 10, channels: int = 3) -> np.ndarray:
    shape = (n, channels, SIDE, SIDE)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def cpu(seed: int = 0, precision: str = "fp32") -> Runtime:
    return Runtime.create(seed, "cpu", precision)


def some_model(config: Config) -> PretrainModel:
    torch.manual_seed(0)
    return PretrainModel(config, 3)


def some_views(n: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2 * n, 3, SIDE, SIDE, generator=generator)


def assert_same_weights(a: torch.nn.Module, b: torch.nn.Module) -> None:
    for (name, first), second in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(first, second), name


@pytest.fixture
def _save_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "SAVE_INTERVAL", -1.0)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every batch whose views were drawn."""
    seen: list[Tensor] = []

    def recorded(images: Tensor, *rest: Any) -> Tensor:
        seen.append(images.clone())
        return random_views(images, *rest)

    monkeypatch.setattr(pretraining, "random_views", recorded)
    return seen


@pytest.fixture
def learning_rates() -> Iterator[list[float]]:
    """Adam's learning rate at every step."""
    rates: list[float] = []
    hook = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    yield rates
    hook.remove()


def test_loss_is_the_sum_of_its_terms_on_both_views() -> None:
    config = tiny_config()
    model, views = some_model(config), some_views()
    losses = pretrain_losses(model, views, config.pretrain)
    x = model(views)
    z, (x_hat, code) = model.instance_head(x), model.autoencoder(x)
    torch.testing.assert_close(losses.instance, instance_loss(z[:6], z[6:], 0.5))
    torch.testing.assert_close(losses.cluster, cluster_loss(code[:6], code[6:], 1.0))
    torch.testing.assert_close(losses.reconstruction, (x - x_hat).square().sum() / 12)
    torch.testing.assert_close(
        losses.loss, losses.instance + losses.cluster + losses.reconstruction
    )


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"mask_self": False}, "instance"),
        ({"instance_temperature": 1.0}, "instance"),
        ({"cluster_temperature": 0.5}, "cluster"),
        ({"cluster_loss_views": "view_a_twice"}, "cluster"),
        ({"reconstruction": "entry_mean"}, "reconstruction"),
        ({"reconstruction_views": "view_a"}, "reconstruction"),
        ({"instance_weight": 0.5}, None),
        ({"cluster_weight": 0.0}, None),
        ({"reconstruction_weight": 3.0}, None),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_variant_changes_its_own_term_alone(
    changes: dict[str, Any], changed: str | None
) -> None:
    config = tiny_config()
    model, views = some_model(config), some_views()
    base = pretrain_losses(model, views, config.pretrain)._asdict()
    variant = pretrain_losses(model, views, dataclasses.replace(config.pretrain, **changes))
    for name, value in variant._asdict().items():
        if name != "loss":
            assert torch.equal(value, base[name]) == (name != changed), name
    assert not torch.equal(variant.loss, base["loss"])


def test_variants_have_their_values() -> None:
    config = tiny_config()
    model, views = some_model(config), some_views()
    x = model(views)
    z, (x_hat, code) = model.instance_head(x), model.autoencoder(x)

    def variant(**changes: Any) -> pretraining.PretrainLosses:
        return pretrain_losses(model, views, dataclasses.replace(config.pretrain, **changes))

    unmasked = instance_loss(z[:6], z[6:], 0.5, mask_self=False)
    torch.testing.assert_close(variant(mask_self=False).instance, unmasked)
    twice = cluster_loss(code[:6], code[:6])
    torch.testing.assert_close(variant(cluster_loss_views="view_a_twice").cluster, twice)
    entries = (x - x_hat).square().mean()
    torch.testing.assert_close(variant(reconstruction="entry_mean").reconstruction, entries)
    first = (x - x_hat)[:6].square().sum() / 6
    torch.testing.assert_close(variant(reconstruction_views="view_a").reconstruction, first)
    weighted = variant(instance_weight=2.0, cluster_weight=3.0, reconstruction_weight=0.5)
    expected = 2 * weighted.instance + 3 * weighted.cluster + 0.5 * weighted.reconstruction
    torch.testing.assert_close(weighted.loss, expected)


@pytest.mark.parametrize(
    ("term", "changes", "reached"),
    [
        ("cluster", {}, True),
        ("cluster", {"cluster_loss_views": "view_a_twice"}, False),
        ("reconstruction", {}, True),
        ("reconstruction", {"reconstruction_views": "view_a"}, False),
        ("instance", {}, True),
    ],
)
def test_terms_reach_the_second_view_unless_told_otherwise(
    term: str, changes: dict[str, Any], reached: bool
) -> None:
    config = tiny_config(**changes)
    # In evaluation mode batch normalisation does not mix the images of a batch.
    model, views = some_model(config).eval(), some_views().requires_grad_()
    getattr(pretrain_losses(model, views, config.pretrain), term).backward()
    assert views.grad is not None
    assert views.grad[:6].abs().sum() > 0
    assert bool(views.grad[6:].abs().sum() > 0) == reached


@pytest.mark.usefixtures("_save_every_epoch")
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_interrupted_run_continues_to_the_same_weights(schedule: str, precision: str) -> None:
    config, images = tiny_config(schedule=schedule, weight_decay=1e-3), some_images()
    whole = MemoryMonitor()
    expected = pretrain(images, config, cpu(precision=precision), whole)
    for epoch in (1, 2, 3):
        broken = MemoryMonitor(stop_after=epoch)
        with pytest.raises(Interrupted):
            pretrain(images, config, cpu(precision=precision), broken)
        torch.manual_seed(epoch)  # another process has other global state
        resumed = MemoryMonitor(broken.saved[-1])
        model = pretrain(images, config, cpu(precision=precision), resumed)
        assert_same_weights(model, expected)
        assert broken.rows + resumed.rows == whole.rows


def test_the_result_depends_on_the_seed_alone() -> None:
    config, images = tiny_config(), some_images()
    first = pretrain(images, config, cpu(), NullMonitor())
    torch.manual_seed(77)
    np.random.seed(77)
    assert_same_weights(pretrain(images, config, cpu(), NullMonitor()), first)
    other = pretrain(images, config, cpu(seed=1), NullMonitor()).state_dict()
    assert not torch.equal(
        other["autoencoder.encoder.0.weight"], first.state_dict()["autoencoder.encoder.0.weight"]
    )


def test_states_are_saved_seldom_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "SAVE_INTERVAL", 3600.0)  # however slow the machine is
    monitor = MemoryMonitor()
    pretrain(some_images(), tiny_config(), cpu(), monitor)
    assert monitor.epochs == [3]


def test_no_function_takes_labels() -> None:
    functions = [
        function
        for _, function in inspect.getmembers(pretraining, callable)
        if getattr(function, "__module__", "") == pretraining.__name__
    ]
    assert len(functions) > 4
    for function in functions:
        names = set(inspect.signature(function).parameters)
        assert not names & {"y", "labels", "truth", "targets", "target", "classes"}


def test_training_lowers_the_loss() -> None:
    monitor = MemoryMonitor()
    pretrain(some_images(), tiny_config(epochs=15), cpu(), monitor)
    losses = [values["loss"] for _, values in monitor.rows]
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.3


def test_an_epoch_leaves_out_a_random_remainder(batches: list[Tensor]) -> None:
    monitor, images = MemoryMonitor(), some_images(10)
    pretrain(images, tiny_config(epochs=4), cpu(), monitor)
    assert [len(batch) for batch in batches] == [8] * 8  # 2 steps an epoch, 2 views of 4 images
    left_out = set()
    for epoch in range(4):
        used = set()
        for batch in batches[2 * epoch : 2 * epoch + 2]:
            assert torch.equal(batch[:4], batch[4:])
            used |= {_index_in(images, image) for image in batch[:4]}
        assert len(used) == 8
        left_out.add(frozenset(range(10)) - used)
    assert len(left_out) > 1
    assert [step for step, _ in monitor.rows] == list(range(8))
    assert monitor.done == [(4 * (step + 1), 32) for step in range(8)]


def test_a_batch_larger_than_the_data_takes_all_of_it(batches: list[Tensor]) -> None:
    images = some_images(5)
    pretrain(images, tiny_config(epochs=2, batch_size=64), cpu(), NullMonitor())
    assert len(batches) == 2
    for batch in batches:
        assert {_index_in(images, image) for image in batch[:5]} == set(range(5))


def test_the_learning_rate_is_constant_or_follows_a_cosine(learning_rates: list[float]) -> None:
    images = some_images(8)
    pretrain(images, tiny_config(), cpu(), NullMonitor())
    assert learning_rates == [1e-2] * 6
    learning_rates.clear()
    pretrain(images, tiny_config(schedule="cosine", epochs=4), cpu(), NullMonitor())
    cosine = [0.5e-2 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    cosine[0] *= 0.5  # the first epoch warms up
    assert learning_rates == pytest.approx(cosine)


def test_a_loss_that_is_not_finite_names_step_and_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[None] = []

    def broken(z_a: Tensor, z_b: Tensor, *rest: Any, **more: Any) -> Tensor:
        calls.append(None)
        return instance_loss(z_a, z_b, *rest, **more) * (math.nan if len(calls) == 4 else 1)

    monkeypatch.setattr(pretrain_model, "instance_loss", broken)
    monitor = MemoryMonitor()
    with pytest.raises(FloatingPointError) as caught:
        pretrain(some_images(), tiny_config(), cpu(), monitor)
    message = str(caught.value)
    assert "not finite at step 3: loss nan, instance nan, cluster -" in message
    assert "reconstruction" in message
    assert len(monitor.rows) == 3


def test_images_may_be_memory_mapped_and_are_left_alone(tmp_path: Path) -> None:
    images = some_images()
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    config = tiny_config()
    model = pretrain(mapped, config, cpu(), NullMonitor())
    assert_same_weights(model, pretrain(images, config, cpu(), NullMonitor()))
    features = embed(mapped, model, config, cpu(), NullMonitor())
    np.testing.assert_array_equal(features, embed(images, model, config, cpu(), NullMonitor()))
    np.testing.assert_array_equal(images, some_images())


def test_greyscale_images_of_their_own_size_train() -> None:
    config = build_config(tiny_config(), {"data.image_size": None})
    images = some_images(channels=1)
    model = pretrain(images, config, cpu(), NullMonitor())
    assert not model.training
    assert embed(images, model, config, cpu(), NullMonitor()).shape == (10, 8)


def test_embed_gives_the_evaluation_features_row_by_row() -> None:
    config, images, monitor = tiny_config(), some_images(10), MemoryMonitor()
    model = some_model(config).eval()
    with torch.no_grad():
        expected = model(evaluation_view(torch.from_numpy(images), SIDE)).numpy()
    at_once = embed(images, model.train(), config, cpu(), NullMonitor())
    in_parts = embed(images, model.train(), config, cpu(), monitor, batch_size=4)
    assert at_once.dtype == np.float32
    np.testing.assert_allclose(at_once, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(in_parts, expected, rtol=1e-5, atol=1e-6)
    assert monitor.done == [(4, 10), (8, 10), (10, 10)]


def test_embed_in_bf16_is_close_and_in_fp32() -> None:
    config, images = tiny_config(), some_images(10)
    model = some_model(config)
    exact = embed(images, model, config, cpu(), NullMonitor())
    coarse = embed(images, model, config, cpu(precision="bf16"), NullMonitor())
    assert coarse.dtype == np.float32
    np.testing.assert_allclose(coarse, exact, atol=0.03 * np.abs(exact).max())


def test_a_model_needs_the_number_of_clusters() -> None:
    config = build_config(tiny_config(), {"num_clusters": None})
    with pytest.raises(ValueError, match=r"'num_clusters' must be resolved"):
        PretrainModel(config, 3)


def test_defaults_are_the_papers() -> None:
    options = PretrainConfig()
    weights = (options.instance_weight, options.cluster_weight, options.reconstruction_weight)
    assert weights == (1.0, 1.0, 1.0)  # Eq. 7
    assert (options.instance_temperature, options.cluster_temperature) == (0.5, 1.0)


def _index_in(images: np.ndarray, image: Tensor) -> int:
    matches = (images == image.numpy()).all(axis=(1, 2, 3)).nonzero()[0]
    assert len(matches) == 1
    return int(matches[0])
