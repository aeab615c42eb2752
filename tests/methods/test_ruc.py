import inspect
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.data.views import evaluation_view
from iciclegcn.methods import ruc, ruc_step
from iciclegcn.methods.answers import Answers, answers
from iciclegcn.methods.ruc import Clustering, refine
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.backbone import build_backbone
from iciclegcn.nn.classifier import Classifier, ClassifierEnsemble
from iciclegcn.runtime import Runtime
from tests.memory_monitor import Interrupted, MemoryMonitor

NUM_IMAGES, NUM_CLUSTERS, SIDE = 24, 3, 8


def tiny_config(**changes: object) -> Config:
    """A network of a few hundred weights; ``changes`` to the fields of RUC."""
    fixed: dict[str, object] = {
        "num_clusters": NUM_CLUSTERS,
        "data.image_size": SIDE,
        "backbone.name": "convnet",
        "backbone.width": 8,
        "ruc.epochs": 2,
        "ruc.ramp_epochs": 2,
        "ruc.batch_size": 8,
        "ruc.num_neighbors": 5,
        "ruc.operations": 1,
    }
    return build_config(Config(), fixed | {f"ruc.{k}": v for k, v in changes.items()})


def some_images() -> np.ndarray:
    """From dark to bright, so that networks are surer of some than of others."""
    shape = (NUM_IMAGES, 3, SIDE, SIDE)
    noise = np.random.default_rng(0).integers(0, 256, shape)
    brightness = np.arange(1, NUM_IMAGES + 1).reshape(-1, 1, 1, 1) / NUM_IMAGES
    return (noise * brightness).astype(np.uint8)


def some_clustering(confident: int = 14) -> Clustering:
    """Three groups of neighbours; the first images are confident."""
    random = np.random.default_rng(1)
    assignments = np.arange(NUM_IMAGES) % NUM_CLUSTERS
    confidences = np.where(np.arange(NUM_IMAGES) < confident, 0.995, 0.5).astype(np.float32)
    noise = random.normal(0, 0.1, (NUM_IMAGES, 4)).astype(np.float32)
    return Clustering(assignments, confidences, noise + np.eye(3, 4, dtype=np.float32)[assignments])


def backbone(config: Config) -> torch.nn.Module:
    """One whose batch normalisation knows the images, so that their features differ."""
    torch.manual_seed(5)
    made = build_backbone(config.backbone, 3)[0]
    for _ in range(30):
        made(evaluation_view(torch.from_numpy(some_images()), SIDE))
    return made


def run(
    config: Config,
    monitor: NullMonitor | None = None,
    *,
    clustering: Clustering | None = None,
    seed: int = 0,
    precision: str = "fp32",
) -> dict[str, Tensor]:
    """Weights after a refinement."""
    runtime = Runtime.create(seed, "cpu", precision)
    given = clustering or some_clustering()
    model = refine(
        some_images(), backbone(config), given, config, runtime, monitor or NullMonitor()
    )
    assert isinstance(model, ClassifierEnsemble if config.ruc.co_training else Classifier)
    assert not model.training
    weights = dict(model.state_dict())
    assert all(torch.isfinite(value).all() for value in weights.values())
    return weights


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


def first_step(**changes: object) -> dict[str, float]:
    """Terms of the second epoch's first step, which every part has reached."""
    monitor = MemoryMonitor()
    run(tiny_config(refurbish_threshold=0.4135, **changes), monitor)
    return monitor.rows[len(monitor.rows) // 2][1]


@pytest.fixture
def learning_rates() -> Iterator[list[float]]:
    """SGD's learning rate at every step."""
    rates: list[float] = []
    hook = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    yield rates
    hook.remove()


@pytest.mark.parametrize(
    ("changes", "precision"),
    [
        ({}, "fp32"),
        ({"co_training": False, "refurbish_threshold": 0.34}, "bf16"),
        ({"co_refinement": False, "mixmatch": False, "label_smoothing": None}, "fp32"),
    ],
)
def test_an_interrupted_refinement_continues_to_the_same_weights(
    changes: dict[str, Any], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ruc, "SAVE_INTERVAL", -1.0)
    config, whole = tiny_config(**changes), MemoryMonitor()
    expected = run(config, whole, precision=precision)
    for epoch in (1, 2):
        broken = MemoryMonitor(stop_after=epoch)
        with pytest.raises(Interrupted):
            run(config, broken, precision=precision)
        resumed = MemoryMonitor(broken.saved[-1])
        assert_same(run(config, resumed, precision=precision), expected)
        assert broken.rows + resumed.rows == whole.rows
    assert [step for step, _ in whole.rows] == list(range(len(whole.rows)))


def test_the_result_depends_on_the_seed_alone() -> None:
    config = tiny_config(epochs=1)
    first = run(config)
    np.random.seed(7)
    assert_same(run(config), first)
    name = "networks.0.head.weight"
    assert not torch.equal(run(config, seed=1)[name], first[name])


def test_every_part_can_be_switched_off() -> None:
    whole = first_step()
    assert all(value > 0 for value in whole.values())
    assert whole["clean"] > 14
    for changes in (
        {"co_training": False},
        {"co_refinement": False},
        {"mixmatch": False},
        {"label_smoothing": None},
        {"co_refurbishing": False},
        {"unlabelled_weight": 0.0},
    ):
        found = first_step(**changes)
        assert found["loss"] != whole["loss"], changes
        assert math.isfinite(found["loss"])
        assert (found["smoothed"] == 0) == ("label_smoothing" in changes)
    bare = first_step(
        co_training=False,
        co_refinement=False,
        mixmatch=False,
        label_smoothing=None,
        co_refurbishing=False,
    )
    assert math.isfinite(bare["loss"])


def test_the_sets_are_shown_and_grow_with_co_refurbishing() -> None:
    monitor = MemoryMonitor()
    run(tiny_config(refurbish_threshold=0.34), monitor)
    assert monitor.rows[0][1]["clean"] == 14
    assert monitor.rows[0][1]["unclean"] == 10
    assert monitor.rows[-1][1]["clean"] > 14
    assert {"loss", "labelled", "unlabelled", "smoothed", "clean", "unclean"} == set(
        monitor.shown[-1]
    )
    for _, values in monitor.rows:
        assert values["clean"] + values["unclean"] == NUM_IMAGES
    total = 2 * 2 * NUM_IMAGES  # epochs, networks
    assert monitor.done[-1] == (total, total)
    assert [done for done, _ in monitor.done] == sorted(done for done, _ in monitor.done)
    fixed = MemoryMonitor()
    run(tiny_config(refurbish_threshold=0.34, co_refurbishing=False), fixed)
    assert {values["clean"] for _, values in fixed.rows} == {14}


@pytest.mark.parametrize("confident", [0, NUM_IMAGES])
@pytest.mark.parametrize("least", [0.0, 0.1])
def test_one_of_the_sets_may_be_empty(confident: int, least: float) -> None:
    monitor = MemoryMonitor()
    config = tiny_config(least_clean=least, sampling="confidence", epochs=1)
    run(config, monitor, clustering=some_clustering(confident))
    clean = monitor.rows[0][1]["clean"]
    assert clean == (NUM_IMAGES if confident else round(30 * least))  # one of every 8, rounded up
    helpless = any("have no clean image" in text for text in monitor.warnings)
    assert helpless == (clean == 0)


def test_a_cluster_without_images_and_one_with_a_single_one_are_no_obstacle() -> None:
    assignments = np.zeros(NUM_IMAGES, dtype=np.int64)
    assignments[3] = 2
    few = some_clustering()._replace(assignments=assignments)
    single = some_clustering()._replace(assignments=np.arange(NUM_IMAGES))
    many = build_config(tiny_config(epochs=1), {"num_clusters": 2 * NUM_IMAGES})
    for config, clustering in ((tiny_config(epochs=1), few), (many, single)):
        monitor = MemoryMonitor()
        run(config, monitor, clustering=clustering)
        assert monitor.rows
        assert all(math.isfinite(row[1]["loss"]) for row in monitor.rows)


def test_lost_clusters_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = Answers(torch.zeros(NUM_IMAGES, 3, dtype=torch.long), torch.ones(NUM_IMAGES, 3))
    monkeypatch.setattr(ruc, "answers", lambda *_: zeros)
    monitor = MemoryMonitor()
    run(tiny_config(epochs=1), monitor)
    assert monitor.warnings == ["the training lost 2 of the clusters it began with: 1, 2"]


def test_the_learning_rate_follows_a_cosine_to_zero(learning_rates: list[float]) -> None:
    run(tiny_config(epochs=4, co_training=False, co_refurbishing=False))
    expected = [0.005 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert learning_rates == pytest.approx(expected)
    learning_rates.clear()
    run(tiny_config(momentum=0.0, epochs=1))  # Nesterov's needs one
    assert learning_rates == pytest.approx([0.01, 0.01, 0.005, 0.005][::2] * 2)


def test_networks_take_turns_and_the_peer_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[int] = []
    losses = ruc_step.ruc_losses

    def watched(network: torch.nn.Module, *rest: Any) -> Any:
        trained.append(id(network))
        return losses(network, *rest)

    monkeypatch.setattr(ruc, "ruc_losses", watched)
    run(tiny_config())
    turns = [network for i, network in enumerate(trained) if i == 0 or trained[i - 1] != network]
    assert len(turns) == 4
    assert turns[0] == turns[2] != turns[1] == turns[3]


def test_neighbours_that_differ_are_refined_towards_the_groups() -> None:
    # Three kinds of images; an eighth is in the wrong cluster, and neighbours tell.
    random = np.random.default_rng(0)
    kinds = random.integers(0, 256, (NUM_CLUSTERS, 3, SIDE, SIDE))
    truth = np.arange(96) % NUM_CLUSTERS
    noise = random.normal(0, 15, (96, 3, SIDE, SIDE))
    images = np.clip(kinds[truth] + noise, 0, 255).astype(np.uint8)
    given = truth.copy()
    given[:12] = (truth[:12] + 1) % NUM_CLUSTERS
    rows = images.reshape(96, -1).astype(np.float32) - 127
    clustering = Clustering(given, np.full(96, 0.999, dtype=np.float32), rows)
    config = build_config(
        tiny_config(epochs=5, batch_size=8, num_neighbors=20, learning_rate=0.03),
        {"views.flip_probability": 0.0, "backbone.width": 16},
    )
    runtime = Runtime.create(0, "cpu", "fp32")
    model = refine(images, backbone(config), clustering, config, runtime, NullMonitor())
    found = answers(images, model, config, runtime).labels[:, -1].numpy()
    assert np.mean(found == truth) > 0.97


def test_a_loss_that_is_not_finite_names_the_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruc_step, "unlabelled_loss", lambda logits, _: logits.sum() * math.nan)
    with pytest.raises(FloatingPointError, match=r"RUC loss is not finite at step 0: .*unlabelled"):
        run(tiny_config())


def test_no_function_takes_the_truth() -> None:
    assert set(inspect.signature(refine).parameters) == {
        "images",
        "backbone",
        "clustering",
        "config",
        "runtime",
        "monitor",
    }
    assert Clustering._fields == ("assignments", "confidences", "embeddings")
