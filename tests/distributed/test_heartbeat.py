"""Two heartbeats in one process, with seconds made short."""

import os
import threading
import time

import pytest
import torch.distributed as dist

from iciclegcn.distributed import heartbeat as module
from iciclegcn.distributed.heartbeat import Heartbeat, is_loss


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_INTERVAL", 0.02)
    monkeypatch.setattr(module, "SILENCE_LIMIT", 0.5)


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Exit codes of processes that would have ended."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    return codes


def pair() -> tuple[Heartbeat, Heartbeat]:
    first = Heartbeat("127.0.0.1", 0, 0, 2)
    return first, Heartbeat("127.0.0.1", first.port, 1, 2)


def beating(heartbeat: Heartbeat) -> threading.Thread:
    thread = threading.Thread(target=heartbeat._watch)
    thread.start()
    return thread


def test_ranks_that_beat_are_left_alone(
    exits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    both = pair()
    threads = [beating(heartbeat) for heartbeat in both]
    time.sleep(1)  # twice the limit
    assert all(thread.is_alive() for thread in threads)
    for heartbeat, thread in zip(both, threads, strict=True):
        heartbeat.stop()
        thread.join(10)
    assert exits == []
    assert capsys.readouterr().err == ""


def test_a_silent_rank_ends_the_run_with_one_sentence(
    exits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = pair()  # the second never beats
    first._watch()
    assert exits == [1]
    second.report_loss("process 1 of 2 lost another")  # it wakes up, too late
    assert capsys.readouterr().err == (
        "iciclegcn: error: process 1 of 2 is gone; the same command goes on from where it stopped\n"
    )


def test_without_rank_0_the_next_one_tells(
    exits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = pair()
    del first  # and its store
    second._watch()
    assert exits == [1]
    assert "process 0 of 2 is gone" in capsys.readouterr().err


def test_rank_0_can_end_the_others_silently(
    exits: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair()

    def leave(code: int) -> None:
        exits.append(code)
        second.stop()

    monkeypatch.setattr(os, "_exit", leave)
    first.end_others()
    second._watch()
    assert exits == [1]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer"), True),
        (RuntimeError("NCCL communicator was aborted"), True),
        (dist.DistNetworkError("failed to recv"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("gloo"), False),
    ],
)
def test_lost_connections_are_told_from_defects(error: Exception, lost: bool) -> None:
    assert is_loss(error) is lost
