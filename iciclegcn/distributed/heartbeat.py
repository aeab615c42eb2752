"""Noticing that a process of the run is gone, on whatever machine, and saying so once."""

import os
import sys
import threading
import time
from datetime import timedelta

import torch.distributed as dist

EXIT_LOST = 1
BEAT_INTERVAL = 2.0  # seconds
SILENCE_LIMIT = 30.0  # seconds without a beat: the process is gone, or its machine or network
REMEDY = "the same command goes on from where it stopped"
_PATIENCE = timedelta(seconds=20)  # for an answer of the store
_STORE_ERRORS = (RuntimeError, OSError)


class Heartbeat:
    """Tells the other ranks that this one lives, and ends it when another is gone.

    A killed process breaks its connections and the others' collectives over gloo fail at once. A
    machine or a network that fails breaks nothing, and over NCCL neither does a killed process.
    So every rank also counts in a store that rank 0 keeps: rank 0 watches all the others, and they
    watch rank 0.

    Args:
        host: Address of rank 0.
        port: Port of the store; 0 on rank 0 takes a free one.
        rank: This rank.
        size: Number of ranks.
        grace: Seconds to wait before telling of a loss: for who started the processes of this
            machine, who knows more when it is one of them, and ends the others.
    """

    def __init__(self, host: str, port: int, rank: int, size: int, grace: float = 0.0) -> None:
        self._store = dist.TCPStore(  # type: ignore[attr-defined]
            host, port, is_master=rank == 0, wait_for_workers=False, timeout=_PATIENCE
        )
        self._rank, self._size, self._grace = rank, size, grace
        self._stopped = threading.Event()

    @property
    def port(self) -> int:
        """Port of the store."""
        return int(self._store.port)

    def start(self) -> None:
        """Begin to count and to watch, beside whatever this process computes."""
        threading.Thread(target=self._watch, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Count and watch no longer; to be called on every rank before any of them ends."""
        self._stopped.set()

    def end_others(self) -> None:
        """Let the other ranks end without a word; rank 0 only, which has said why."""
        self.stop()
        self._store.set("ended", "")
        time.sleep(2 * BEAT_INTERVAL)

    def claim(self) -> bool:
        """Whether this rank is the one to tell the user that the run is broken."""
        try:
            return self._store.add("told", 1) == 1
        except _STORE_ERRORS:  # rank 0 and its store are gone
            return self._rank == 1

    def report_loss(self, reason: str) -> None:
        """Tell the user that a process is lost, unless another rank has told.

        Args:
            reason: What is known about it: a sentence without its end.
        """
        self.stop()
        time.sleep(self._grace)
        if self.claim():
            print(f"iciclegcn: error: {reason}; {REMEDY}", file=sys.stderr, flush=True)
        if self._rank == 0:
            time.sleep(BEAT_INTERVAL)  # the others must still be able to ask

    def _watch(self) -> None:
        try:
            lost = self._lost()
        except _STORE_ERRORS:
            lost = 0
        if lost is None or self._stopped.is_set():
            return
        self.report_loss(f"process {lost} of {self._size} is gone")
        os._exit(EXIT_LOST)  # the main thread may wait in a collective for ever

    def _lost(self) -> int | None:
        """The first rank that falls silent; None: this one was stopped."""
        store = self._store
        watched = range(1, self._size) if self._rank == 0 else range(1)
        beats, heard = dict.fromkeys(watched, 0), dict.fromkeys(watched, time.monotonic())
        while not self._stopped.wait(BEAT_INTERVAL):
            store.add(f"beat/{self._rank}", 1)
            if self._rank != 0 and store.check(["ended"]):
                os._exit(EXIT_LOST)
            now = time.monotonic()
            for rank in watched:
                count = store.add(f"beat/{rank}", 0)
                if count != beats[rank]:
                    beats[rank], heard[rank] = count, now
                elif now - heard[rank] > SILENCE_LIMIT:
                    return rank
        return None


def is_loss(error: BaseException) -> bool:
    """Whether an error means that another process can no longer be reached."""
    if isinstance(error, dist.DistError):
        return True
    # gloo raises plain RuntimeErrors, which name its source file.
    return isinstance(error, RuntimeError) and ("gloo" in str(error) or "NCCL" in str(error))
