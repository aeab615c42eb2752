import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.distributed.ranks import Ranks
from iciclegcn.errors import UserError
from iciclegcn.methods import self_label as module
from iciclegcn.methods.answers import Answers
from iciclegcn.methods.classifiers import AnyClassifier, ClassifierShape, build_classifier
from iciclegcn.methods.self_label import self_label
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime
from tests.memory_monitor import Interrupted, MemoryMonitor

NUM_CLUSTERS, SIDE = 3, 8


def tiny_config(**changes: object) -> Config:
    """A network of a few hundred weights; ``changes`` to the fields of self-labelling."""
    fixed: dict[str, object] = {
        "num_clusters": NUM_CLUSTERS,
        "data.image_size": SIDE,
        "backbone.name": "convnet",
        "backbone.width": 8,
        "self_label.epochs": 2,
        "self_label.batch_size": 9,
        "self_label.operations": 1,
        "self_label.learning_rate": 1e-2,
        "self_label.threshold": 0.4,
    }
    return build_config(Config(), fixed | {f"self_label.{k}": v for k, v in changes.items()})


def some_images(n: int = 20) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, SIDE, SIDE), dtype=np.uint8)


def some_classifier(config: Config | None = None, num_networks: int = 1) -> AnyClassifier:
    torch.manual_seed(0)
    return build_classifier(config or tiny_config(), ClassifierShape(3, num_networks=num_networks))


def run(config: Config, monitor: NullMonitor, seed: int = 0, **more: Any) -> dict[str, Tensor]:
    """Weights after a training; ``precision`` and ``num_networks`` may be given."""
    runtime = Runtime.create(seed, "cpu", more.get("precision", "fp32"))
    classifier = some_classifier(config, more.get("num_networks", 1))
    result = self_label(some_images(), classifier, config, runtime, monitor)
    assert not result.training
    return dict(result.state_dict())


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, {}),
        ({"average_decay": 0.5}, {}),
        ({"balanced": False, "operations": 4, "cutout": 0.0}, {"precision": "bf16"}),
        ({}, {"num_networks": 2}),
    ],
)
def test_an_interrupted_training_continues_to_the_same_weights(
    changes: dict[str, Any], more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAVE_INTERVAL", -1.0)
    config, whole = tiny_config(**changes), MemoryMonitor()
    expected = run(config, whole, **more)
    for epoch in (1, 2):
        broken = MemoryMonitor(stop_after=epoch)
        with pytest.raises(Interrupted):
            run(config, broken, **more)
        resumed = MemoryMonitor(broken.saved[-1])
        assert_same(run(config, resumed, **more), expected)
        assert broken.rows + resumed.rows == whole.rows
    assert len(whole.rows) == 4


def test_the_result_depends_on_the_seed_alone() -> None:
    first = run(tiny_config(), NullMonitor())
    np.random.seed(7)
    assert_same(run(tiny_config(), NullMonitor()), first)
    assert not torch.equal(
        run(tiny_config(), NullMonitor(), seed=1)["head.weight"], first["head.weight"]
    )


def test_answers_become_surer() -> None:
    monitor = MemoryMonitor()
    run(tiny_config(epochs=12, threshold=0.8), monitor)
    confident = [values["confident"] for _, values in monitor.rows]
    assert np.mean(confident[-4:]) > np.mean(confident[:4])
    assert monitor.done[-1] == (12 * 18, 12 * 18)  # two of 20 images are left out each time
    assert all({"loss", "confident"} <= values.keys() for values in monitor.shown)
    assert all(0 <= values["clusters"] <= NUM_CLUSTERS for _, values in monitor.rows)


def test_a_step_without_confident_answers_is_skipped() -> None:
    monitor, config = MemoryMonitor(), tiny_config(threshold=0.999999)
    before = dict(some_classifier(config).named_parameters())
    after = run(config, monitor)
    for name, value in before.items():
        assert torch.equal(value, after[name]), name
    assert {values["confident"] for _, values in monitor.rows} == {0.0}
    assert len(monitor.warnings) == 1
    assert "nothing was learned; lower 'self_label.threshold'" in monitor.warnings[0]


def test_the_average_moves_slowly() -> None:
    start = dict(some_classifier().state_dict())
    plain = run(tiny_config(), NullMonitor())
    same = run(tiny_config(average_decay=0.0), NullMonitor())
    slow = run(tiny_config(average_decay=0.99), NullMonitor())
    moved, crept = (
        (weights["head.weight"] - start["head.weight"]).norm() for weights in (plain, slow)
    )
    assert 0 < crept < 0.2 * moved
    torch.testing.assert_close(same["head.weight"], plain["head.weight"])


def test_lost_clusters_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of the classifier as it came, and of the result: the sum's labels stand last.
    said = iter([torch.tensor([[0, 0], [0, 1], [0, 2]]), torch.tensor([[1, 2], [2, 0], [1, 0]])])
    monkeypatch.setattr(module, "answers", lambda *_: Answers(next(said), torch.ones(3, 2)))
    monitor = MemoryMonitor()
    run(tiny_config(epochs=1), monitor)
    assert monitor.warnings == ["the training lost 1 of the clusters it began with: 1"]


def test_clusters_that_nothing_teaches_are_told_beforehand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Cluster 2's only image is as sure as the threshold, which is not enough.
    labels = torch.tensor([[0, 0], [0, 1], [0, 2], [0, 1]])
    sure = torch.tensor([[0.9, 0.5], [0.9, 0.3], [0.9, 0.4], [0.9, 0.6]])
    monkeypatch.setattr(module, "answers", lambda *_: Answers(labels, sure))
    monitor = MemoryMonitor()
    run(tiny_config(epochs=1), monitor)
    assert monitor.warnings == [
        "1 of 3 clusters have no image of more confidence than 0.4 to learn from, and may be lost: "
        "lower 'self_label.threshold'"
    ]


def test_more_processes_than_images_in_a_batch_are_refused() -> None:
    class Both(Ranks):
        def broadcast(self, value: Any) -> Any:
            return value

    runtime = dataclasses.replace(Runtime.create(0, "cpu", "fp32"), ranks=Both(0, 3))
    config = tiny_config(batch_size=2)
    with pytest.raises(UserError, match=r"'self_label.batch_size' .* processes, 3 \(got 2\)"):
        module._Training(some_images(), some_classifier(), config, runtime, NullMonitor())


def test_a_loss_that_is_not_finite_stops_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "self_label_loss", lambda logits, *_: logits.sum() * float("nan"))
    with pytest.raises(FloatingPointError, match="self-labelling loss is not finite at step 0"):
        run(tiny_config(), NullMonitor())


def test_no_function_takes_labels() -> None:
    assert set(inspect.signature(self_label).parameters) == {
        "images",
        "classifier",
        "config",
        "runtime",
        "monitor",
    }
