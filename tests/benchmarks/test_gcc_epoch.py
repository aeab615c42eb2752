import pytest
import torch

from benchmarks.gcc_epoch import NETWORKS, configuration, shares, step_seconds, update_seconds
from iciclegcn.runtime import Runtime


def test_shares_count_a_graph_as_often_as_it_comes() -> None:
    found = shares({"write": 1.0, "graph": 10.0}, step=0.5, steps=10, interval=5)
    assert found["epoch_seconds_at_the_interval"] == pytest.approx(5 + 1 + 2)
    assert found["share_at_the_interval"] == pytest.approx(3 / 8)
    assert found["epoch_seconds_every_epoch"] == pytest.approx(16)
    assert found["share_every_epoch"] == pytest.approx(11 / 16)


def test_memory_graph_and_steps_are_timed() -> None:
    config = configuration(next(iter(NETWORKS)))
    runtime = Runtime.create(0, "cpu", "fp32")
    update, graph = update_seconds(config, runtime, 600)
    assert set(update) == {"write", "graph"}
    assert min(update.values()) > 0
    assert graph.lists.shape == (600, 6)
    same = graph.lists % 200 == (torch.arange(600) % 200)[:, None]
    assert same[:, :2].float().mean() > 0.8  # neighbours come from the groups
    assert len(step_seconds(config, runtime, graph, 1)) == 1
