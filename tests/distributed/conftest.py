"""Results of two ranks and of one, computed once for all tests here."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.multiprocessing.spawn import start_processes

from iciclegcn.distributed.ranks import Ranks
from iciclegcn.methods import pretraining
from tests.distributed import two_ranks

Results = dict[str, Any]


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What one process computes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    interval = pretraining.SAVE_INTERVAL
    pretraining.SAVE_INTERVAL = -1.0
    try:
        half_way = two_ranks.trained(stop_after=1)["state"]
        folder = tmp_path_factory.mktemp("alone")
        return two_ranks.everything(Ranks(), half_way, folder) | {"half_way": half_way}
    finally:
        pretraining.SAVE_INTERVAL = interval
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def both(one: Results, tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    """What each of two gloo ranks computes."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    torch.save(one["half_way"], folder / "half_way.pt")
    arguments = (two_ranks.free_port(), folder)
    start_processes(two_ranks.work, arguments, nprocs=2)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in (0, 1)]
