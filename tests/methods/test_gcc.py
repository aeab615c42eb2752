import inspect
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.data.views import evaluation_view
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.errors import UserError
from iciclegcn.losses.graph_contrastive import balance_loss
from iciclegcn.methods import gcc, gcc_losses
from iciclegcn.methods.gcc import GCCModel, build_gcc_model, train_gcc
from iciclegcn.methods.gcc_batches import ImagePool
from iciclegcn.methods.gcc_memory import EmbeddingMemory
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime
from tests.memory_monitor import Interrupted, MemoryMonitor

NUM_CLUSTERS, SIDE = 3, 8


def tiny_config(**changes: object) -> Config:
    """A network of a few hundred weights; ``changes`` to the fields of GCC."""
    fixed: dict[str, object] = {
        "num_clusters": NUM_CLUSTERS,
        "data.image_size": SIDE,
        "backbone.name": "convnet",
        "backbone.stem": "small",
        "backbone.width": 8,
        "gcc.epochs": 5,
        "gcc.batch_size": 5,
        "gcc.learning_rate": 0.05,
        "gcc.projection_channels": 6,
        "gcc.memory_length": 2,
        "gcc.num_neighbors": 3,
        "gcc.contrast_neighbors": 2,
        "gcc.first_graph_epoch": 2,
        "gcc.graph_interval": 2,
    }
    return build_config(Config(), fixed | {f"gcc.{k}": v for k, v in changes.items()})


def some_images(n: int = 12, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    shape = (n, channels, SIDE, SIDE)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def stripes(n: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images of three kinds, noisy, and their kinds."""
    draws = np.random.default_rng(0)
    kinds = np.arange(n) % NUM_CLUSTERS
    pixels = draws.integers(0, 60, (n, 1, SIDE, SIDE))
    pixels[kinds == 0, :, ::2] += 190
    pixels[kinds == 1, :, :, ::2] += 190
    return pixels.astype(np.uint8), kinds


def cpu(seed: int = 0, precision: str = "fp32") -> Runtime:
    return Runtime.create(seed, "cpu", precision)


def assert_same_weights(a: torch.nn.Module, b: torch.nn.Module) -> None:
    for (name, first), second in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(first, second), name


@pytest.fixture
def _save_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcc, "SAVE_INTERVAL", -1.0)


@pytest.fixture
def learning_rates() -> Iterator[list[float]]:
    """The optimiser's learning rate at every step."""
    rates: list[float] = []
    hook = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    yield rates
    hook.remove()


@pytest.mark.parametrize("loss", ["contrast", "scan"])
def test_images_of_three_kinds_fall_into_three_clusters(loss: str) -> None:
    images, kinds = stripes(60)
    config = build_config(
        tiny_config(
            epochs=25,
            batch_size=20,
            first_graph_epoch=5,
            optimizer="adam",
            learning_rate=5e-3,
            assignment_loss=loss,
            balance_weight=5.0 if loss == "scan" else 2.0,
        ),
        {"backbone.width": 16, "views.flip_probability": 0.0, "views.crop_scale": (0.6, 1.0)},
    )
    monitor = MemoryMonitor()
    model = train_gcc(images, config, cpu(), monitor)
    with torch.no_grad():
        named = model.classifier()(evaluation_view(torch.from_numpy(images), SIDE)).argmax(dim=1)
    for kind in range(NUM_CLUSTERS):
        assert len(named[kinds == kind].unique()) == 1
    assert len(named.unique()) == NUM_CLUSTERS
    assert monitor.warnings == []
    early = [values["representation"] for step, values in monitor.rows[:3]]
    late = [values["representation"] for step, values in monitor.rows[-3:]]
    assert np.mean(late) < np.mean(early) - 1


@pytest.mark.usefixtures("_save_every_epoch")
@pytest.mark.parametrize(
    ("keep", "optimizer", "precision"),
    [("last", "sgd", "fp32"), ("loss", "adam", "bf16"), ("loss", "sgd", "fp32")],
)
def test_an_interrupted_run_continues_to_the_same_bits(
    keep: str, optimizer: str, precision: str
) -> None:
    config = tiny_config(keep=keep, optimizer=optimizer, num_heads=2, learning_rate=1e-2)
    images, extra = some_images(), some_images(4, seed=1)
    whole = MemoryMonitor()
    runtime = cpu(precision=precision)
    expected = train_gcc(images, config, runtime, whole, extra_images=extra)
    for epoch in range(1, 6):  # before, at, between and after the graphs, and at the end
        broken = MemoryMonitor(stop_after=epoch)
        with pytest.raises(Interrupted):
            train_gcc(images, config, runtime, broken, extra_images=extra)
        torch.manual_seed(epoch)  # another process has other global state
        resumed = MemoryMonitor(broken.saved[-1])
        model = train_gcc(images, config, runtime, resumed, extra_images=extra)
        assert_same_weights(model, expected)
        assert broken.rows + resumed.rows == whole.rows
        last, other = whole.load(), resumed.load()
        assert last is not None
        assert other is not None
        assert torch.equal(last["memory"], other["memory"])
        assert torch.equal(last["graph"]["lists"], other["graph"]["lists"])
        assert torch.equal(last["graph"]["weight"], other["graph"]["weight"])


def test_the_result_depends_on_the_seed_alone() -> None:
    config, images = tiny_config(), some_images()
    first = train_gcc(images, config, cpu(), NullMonitor())
    torch.manual_seed(77)
    np.random.seed(77)
    assert_same_weights(train_gcc(images, config, cpu(), NullMonitor()), first)
    other = train_gcc(images, config, cpu(seed=1), NullMonitor())
    name = "heads.0.weight"
    assert not torch.equal(other.state_dict()[name], first.state_dict()[name])


def test_states_are_saved_seldom_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcc, "SAVE_INTERVAL", 3600.0)  # however slow the machine is
    monitor = MemoryMonitor()
    train_gcc(some_images(), tiny_config(), cpu(), monitor)
    assert len(monitor.saved) == 1
    state = monitor.load()
    assert state is not None
    assert state["epoch"] == 5
    assert state["memory"].shape == (12, 2, 6)
    assert state["graph"]["lists"].shape == (12, 4)


def test_no_function_takes_labels() -> None:
    functions = [
        function
        for _, function in inspect.getmembers(gcc, callable)
        if getattr(function, "__module__", "").startswith("iciclegcn.methods.gcc")
    ]
    assert len(functions) > 4
    for function in functions:
        names = set(inspect.signature(function).parameters)
        assert not names & {"y", "labels", "truth", "targets", "target", "classes"}


def test_heads_wait_for_the_first_graph() -> None:
    monitor = MemoryMonitor()
    config = tiny_config(epochs=4, first_graph_epoch=2, weight_decay=0.1)
    train_gcc(some_images(10), config, cpu(), monitor)
    terms = [set(values) for _, values in monitor.rows]
    early = {"loss", "representation"}
    late = early | {"assignment", "balance"}
    assert terms == [early] * 4 + [late] * 2 + [late | {"changed"}] * 2
    for _, values in monitor.rows[:4]:
        assert values["loss"] == pytest.approx(2 * values["representation"])
    for _, values in monitor.rows[4:]:
        total = 2 * values["representation"] + values["assignment"] + 2 * values["balance"]
        assert values["loss"] == pytest.approx(total)


def test_graphs_come_when_they_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []
    original = EmbeddingMemory.mean

    def mean(memory: EmbeddingMemory, epochs: int) -> Tensor:
        searched.append(epochs)
        return original(memory, epochs)

    monkeypatch.setattr(EmbeddingMemory, "mean", mean)
    config = tiny_config(epochs=9, first_graph_epoch=3, graph_interval=2)
    train_gcc(some_images(), config, cpu(), NullMonitor())
    assert searched == [3, 5, 7]


def test_the_memory_holds_the_second_views_of_the_last_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[tuple[int, int], Tensor] = {}
    original = EmbeddingMemory.write

    def write(memory: EmbeddingMemory, rows: Tensor, z: Tensor, epoch: int) -> None:
        seen.update({(epoch, int(row)): e for row, e in zip(rows, z, strict=True)})
        original(memory, rows, z, epoch)

    monkeypatch.setattr(EmbeddingMemory, "write", write)
    monitor = MemoryMonitor()
    extra = some_images(4, seed=1)
    train_gcc(some_images(), tiny_config(), cpu(), monitor, extra_images=extra)
    assert set(seen) == {(epoch, row) for epoch in range(5) for row in range(12)}  # no extra row
    state = monitor.load()
    assert state is not None
    for row in range(12):
        for epoch in (3, 4):
            assert torch.equal(state["memory"][row, epoch % 2], seen[epoch, row])
    torch.testing.assert_close(state["memory"].norm(dim=2), torch.ones(12, 2))


def test_extra_images_teach_until_the_first_graph() -> None:
    monitor = MemoryMonitor()
    config = tiny_config(epochs=4, batch_size=6)
    train_gcc(some_images(), config, cpu(), monitor, extra_images=some_images(6, seed=1))
    assert [step for step, _ in monitor.rows] == list(range(3 + 3 + 2 + 2))
    assert monitor.done[0] == (6, 2 * 18 + 2 * 12)
    assert monitor.done[-1] == (60, 60)
    assert all("loss" in values for values in monitor.shown)


def test_the_learning_rate_follows_a_cosine_to_a_share(learning_rates: list[float]) -> None:
    config = tiny_config(epochs=4, final_rate=0.1, learning_rate=0.02)
    train_gcc(some_images(10), config, cpu(), NullMonitor())
    high = [0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert learning_rates == pytest.approx([0.02 * (h + (1 - h) * 0.1) for h in high])


def test_heads_may_learn_faster() -> None:
    config = tiny_config(head_rate=10.0, epochs=4)
    model = build_gcc_model(config, 3)
    optimizer = gcc._optimizer(model, config.gcc)
    gcc._set_learning_rate(optimizer, config.gcc, 2.0)
    others, heads = optimizer.param_groups
    assert heads["lr"] == pytest.approx(10 * others["lr"])
    assert others["lr"] == pytest.approx(0.05 * (0.5 + 0.5e-3))
    assert {id(p) for p in heads["params"]} == {id(p) for p in model.heads.parameters()}
    parameters = [*others["params"], *heads["params"]]
    assert {id(p) for p in parameters} == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_the_optimiser_is_the_one_asked_for(optimizer: type[torch.optim.Optimizer]) -> None:
    config = tiny_config(optimizer=optimizer.__name__.lower(), momentum=0.7, weight_decay=0.02)
    found = gcc._optimizer(build_gcc_model(config, 3), config.gcc)
    assert type(found) is optimizer
    assert found.defaults["weight_decay"] == 0.02
    assert found.defaults["lr"] == 0.05
    assert found.defaults.get("momentum", 0.7) == 0.7


def test_the_head_of_the_lowest_loss_names_the_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[int] = []

    def handicapped(p: Tensor) -> Tensor:
        heads.append(len(heads) % 3)
        return balance_loss(p) + (0.0 if heads[-1] == 1 else 9.0)

    monkeypatch.setattr(gcc_losses, "balance_loss", handicapped)
    model = train_gcc(some_images(), tiny_config(num_heads=3), cpu(), NullMonitor())
    assert model.best_head == 1
    assert model.classifier().head is model.heads[1]
    restored = build_gcc_model(tiny_config(num_heads=3), 3)
    restored.load_state_dict(model.state_dict())
    assert restored.best_head == 1


def test_a_cluster_that_dies_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    original = GCCModel.logits

    def without_the_last(model: GCCModel, x: Tensor) -> Tensor:
        logits = original(model, x)
        return logits - torch.tensor([0.0, 0.0, 500.0])

    monkeypatch.setattr(GCCModel, "logits", without_the_last)
    monitor = MemoryMonitor()
    train_gcc(some_images(), tiny_config(), cpu(), monitor)
    assert len(monitor.warnings) == 1
    assert monitor.warnings[0].startswith("1 of 3 clusters have no images: try ")
    assert all(math.isfinite(value) for _, values in monitor.rows for value in values.values())


def test_a_loss_that_is_not_finite_names_step_and_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[None] = []

    def broken(p: Tensor) -> Tensor:
        calls.append(None)
        return balance_loss(p) * (math.nan if len(calls) == 2 else 1)

    monkeypatch.setattr(gcc_losses, "balance_loss", broken)
    monitor = MemoryMonitor()
    with pytest.raises(FloatingPointError) as caught:
        train_gcc(some_images(10), tiny_config(), cpu(), monitor)
    message = str(caught.value)
    assert "the GCC loss is not finite at step 5: loss nan, representation " in message
    assert message.endswith("balance nan")
    assert len(monitor.rows) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"contrast_neighbors": 0},
        {"contrast_neighbors": 4},
        {"num_neighbors": 11, "contrast_neighbors": 12},
        {"memory_length": 1, "num_heads": 3},
        {"memory_length": 50},
        {"batch_size": 500},
        {"first_graph_epoch": 1, "graph_interval": 1, "momentum": 0.0},
    ],
)
def test_any_size_trains(changes: dict[str, object]) -> None:
    monitor = MemoryMonitor()
    model = train_gcc(some_images(channels=1), tiny_config(**changes), cpu(), monitor)
    assert not model.training
    assert all(math.isfinite(values["loss"]) for _, values in monitor.rows)


@pytest.mark.parametrize(
    ("changes", "extra", "message"),
    [
        (
            {"num_neighbors": 12},
            None,
            r"'gcc.num_neighbors' must be below the number of images, 12",
        ),
        ({}, (4, 1, SIDE, SIDE), r"'gcc.extra_source' must be \(3, 8, 8\), .*\(got \(1, 8, 8\)\)"),
    ],
)
def test_what_the_images_make_impossible_is_refused(
    changes: dict[str, object], extra: tuple[int, ...] | None, message: str
) -> None:
    more = None if extra is None else np.zeros(extra, np.uint8)
    with pytest.raises(UserError, match=message):
        train_gcc(some_images(), tiny_config(**changes), cpu(), NullMonitor(), extra_images=more)


def test_more_processes_than_images_in_a_batch_are_refused() -> None:
    config = tiny_config(batch_size=2)
    pool = ImagePool(some_images(5))
    with pytest.raises(UserError, match="5 images come in batches of 1, for 2 processes"):
        gcc._check(pool, config.gcc, Ranks(0, 2))
