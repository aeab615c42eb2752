import pytest
import torch
from torch import Tensor

from iciclegcn.methods.mgcn_result import (
    MGCNResult,
    output_probabilities,
    warn_of_empty_clusters,
)
from iciclegcn.nn import MGCN, AutoEncoder
from tests.memory_monitor import MemoryMonitor

A, B, Q = torch.tensor([[[1.0, 0.0]], [[0.5, 0.5]], [[0.2, 0.8]]])


def result(streams: list[Tensor], q: Tensor) -> MGCNResult:
    return MGCNResult(streams, q, q, model=MGCN(AutoEncoder(3, (4,), 2), num_streams=2))


def test_output_names_choose_among_streams_mean_and_q() -> None:
    found = result([A, B], Q)
    assert output_probabilities(found, "streams").tolist() == [[0.75, 0.25]]
    assert output_probabilities(found, "stream_1").tolist() == [[0.5, 0.5]]
    assert torch.equal(output_probabilities(found, "q"), Q)
    with pytest.raises(ValueError, match="stream_0, stream_1 or q"):
        output_probabilities(found, "stream_2")


def test_only_clusters_without_images_are_warned_of() -> None:
    both = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
    monitor = MemoryMonitor()
    warn_of_empty_clusters(result([both, both], both), "q", monitor)
    assert monitor.warnings == []
    warn_of_empty_clusters(result([A, A], Q), "q", monitor)
    assert len(monitor.warnings) == 1
    assert monitor.warnings[0].startswith("1 of 2 clusters have no images")
