import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from iciclegcn.config import AutoEncoderConfig, Config, EncodeConfig
from iciclegcn.losses.contrastive import cluster_loss
from iciclegcn.losses.self_training import reconstruction_loss
from iciclegcn.methods import feature_encoding as module
from iciclegcn.methods.feature_encoding import encode_features, encode_losses
from iciclegcn.monitor import NullMonitor
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.runtime import Runtime

RNG = np.random.default_rng(0)
Y = np.repeat(np.arange(3), 20)
X = (4 * np.eye(3)[Y] + RNG.normal(0, 0.3, (60, 3))).astype(np.float32)
NEIGHBORS = np.stack(
    [np.flatnonzero((y == Y) & (np.arange(60) != row))[:5] for row, y in enumerate(Y)]
)


def config(**changes: Any) -> Config:
    encode = {"epochs": 40, "batch_size": 20, **changes}
    return Config(
        num_clusters=3,
        autoencoder=AutoEncoderConfig(hidden_channels=(16,)),
        encode=EncodeConfig(**encode),
    )


def train(options: Config, monitor: Any = None) -> AutoEncoder:
    runtime = Runtime.create(0, "cpu", "fp32")
    return encode_features(X, NEIGHBORS, options, runtime, monitor or NullMonitor())


class Interrupted(Exception):
    pass


class Keeper(NullMonitor):
    """Keeps what is saved, and may stop the training after so many saves."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.state: dict[str, Any] | None = None
        self.rows: list[dict[str, float]] = []
        self._left = stop_after

    def load(self) -> dict[str, Any] | None:
        return self.state

    def save(self, state: dict[str, Any]) -> None:
        self.state = {**state, "model": {k: v.clone() for k, v in state["model"].items()}}
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise Interrupted

    def log(self, step: int, **values: float) -> None:
        self.rows.append({"step": step, **values})


def test_neighbours_teach_the_code_the_groups() -> None:
    model = train(config())
    assert not model.training
    clusters = model.encode(torch.from_numpy(X))[-1].argmax(dim=1).numpy()
    groups = {tuple(sorted(set(clusters[y == Y]))) for y in range(3)}
    assert len(groups) == 3
    assert all(len(group) == 1 for group in groups)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    torch.manual_seed(0)
    model, pairs = AutoEncoder(3, (4,), 2), torch.randn(10, 3)
    options = EncodeConfig(cluster_weight=0.5, reconstruction_weight=3.0, cluster_temperature=0.7)
    losses = encode_losses(model, pairs, options)
    x_hat, code = model(pairs)
    cluster = cluster_loss(code[:5], code[5:], 0.7)
    reconstruction = reconstruction_loss(pairs, x_hat, "entry_mean")
    torch.testing.assert_close(losses.loss, 0.5 * cluster + 3 * reconstruction)
    torch.testing.assert_close(losses.cluster, cluster)
    torch.testing.assert_close(losses.reconstruction, reconstruction)


def test_partners_are_near_neighbours_and_change_with_the_epoch() -> None:
    runtime = Runtime.create(0, "cpu", "fp32")
    drawn = [module._draw(NEIGHBORS, EncodeConfig(neighbors=2), runtime, e) for e in range(30)]
    partners = np.stack([partner for _, partner in drawn])
    for row in range(60):
        assert set(partners[:, row]) == set(NEIGHBORS[row, :2])
    assert all(sorted(order) == list(range(60)) for order, _ in drawn)
    assert not np.array_equal(drawn[0][0], drawn[1][0])


def test_every_step_is_logged_and_every_option_matters() -> None:
    monitor = Keeper()
    plain = train(config(epochs=2), monitor)
    assert [row["step"] for row in monitor.rows] == list(range(6))
    weights = plain.state_dict()["encoder.0.weight"]
    for change in (
        {"learning_rate": 1e-2},
        {"weight_decay": 0.1},
        {"schedule": "constant"},
        {"neighbors": 1},
        {"cluster_temperature": 0.5},
        {"cluster_weight": 0.1},
        {"reconstruction": "squared_norm"},
        {"reconstruction_weight": 0.1},
        {"batch_size": 30},
        {"epochs": 3},
    ):
        changed = train(config(**{"epochs": 2, **change})).state_dict()
        assert not torch.equal(changed["encoder.0.weight"], weights), change


def test_an_interrupted_training_goes_on_to_the_same_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SAVE_INTERVAL", -1.0)
    whole = train(config(epochs=6)).state_dict()
    monitor = Keeper(stop_after=3)
    with pytest.raises(Interrupted):
        train(config(epochs=6), monitor)
    resumed = train(config(epochs=6), monitor).state_dict()
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


def test_few_rows_are_one_batch() -> None:
    monitor = Keeper()
    train(config(epochs=2, batch_size=1000), monitor)
    assert len(monitor.rows) == 2


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    with pytest.raises(FloatingPointError, match=r"encoding loss is not finite at step"):
        train(config(learning_rate=1e30))


def test_the_number_of_clusters_must_be_known() -> None:
    with pytest.raises(ValueError, match="'num_clusters' must be resolved"):
        train(dataclasses.replace(config(), num_clusters=None))
