from pathlib import Path

import numpy as np
import pytest
import torch

import graphs
from iciclegcn.machine import examine_machine, search_works


def test_what_is_told_is_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "not" / "there"))
    machine = examine_machine()
    assert machine.threads == torch.get_num_threads()
    assert machine.cuda == torch.version.cuda
    assert len(machine.gpus) == torch.cuda.device_count()
    assert machine.cores >= 1
    assert 0 < machine.memory_free <= machine.memory_total
    assert machine.cache == tmp_path / "not" / "there"
    assert machine.cache_writable  # its nearest folder can be
    assert machine.cache_free > 0
    assert not machine.cache.exists()


def test_a_file_in_the_way_of_the_cache_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ICICLEGCN_CACHE", str(tmp_path / "file" / "cache"))
    assert not examine_machine().cache_writable


def test_the_search_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert search_works()

    def wrong(x: object, k: int) -> graphs.Neighbors:
        del x, k
        return graphs.Neighbors(np.zeros((4, 1), np.int64), np.zeros((4, 1), np.float32))

    monkeypatch.setattr(graphs, "knn", wrong)
    assert not search_works()
