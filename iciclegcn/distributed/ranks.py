"""The processes that compute one run together, as a training loop sees them."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Ranks:
    """This process among those of a run; alone by default, and then every method is trivial.

    Rank 0 is the one that reads and writes the run folder and shows progress.

    Attributes:
        rank: Number of this process, in [0, size).
        size: Number of processes, on all machines.
        local_rank: Number of this process on its machine; names its GPU.
        local_size: Number of processes on this machine.
        control: Group of all ranks for messages and rows in host memory, without a time limit: the
            others may wait for hours for what rank 0 does alone.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    control: Any = None

    @property
    def is_main(self) -> bool:
        """Whether this process is rank 0."""
        return self.rank == 0

    def share(self, total: int) -> slice:
        """This rank's consecutive rows of ``total``; the shares' lengths differ by at most 1."""
        return slice(total * self.rank // self.size, total * (self.rank + 1) // self.size)

    def lengths(self, total: int) -> list[int]:
        """The length of every rank's share of ``total`` rows."""
        bounds = [total * rank // self.size for rank in range(self.size + 1)]
        return [end - start for start, end in pairwise(bounds)]

    def gather(self, rows: Tensor, total: int) -> Tensor:
        """Put every rank's share of rows together, on every rank.

        The gradient of a rank's rows is the SUM of what all ranks send back: with a loss on each
        rank it is that of the losses' sum, which `train_together` divides by the number of ranks.

        Args:
            rows: This rank's share [n, ...].
            total: Rows of all ranks together; n is the length of ``share(total)``.

        Returns:
            [total, ...], in the order of ranks; differentiable once.
        """
        if self.size == 1:
            return rows
        gathered: Tensor = _Gather.apply(rows, self.lengths(total), self.rank)
        return gathered

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the ranks, on every rank; without a gradient."""
        if self.size == 1:
            return values
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def train_together(self, network: nn.Module) -> nn.Module:
        """Average the gradients over the ranks as ``backward`` computes them.

        Args:
            network: Everything that a step computes, up to its loss, as one ``forward``. Its
                parameters are those of rank 0 from here on.

        Returns:
            What to call instead of the network; alone, the network itself.
        """
        if self.size == 1:
            return network
        device = next(network.parameters()).device
        devices = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)

    @torch.no_grad()
    def average_gradients(self, network: nn.Module) -> None:
        """Replace every gradient by its mean over the ranks, after ``backward``.

        For networks that are called in pieces; `train_together` does it while ``backward`` runs.
        """
        if self.size == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(together)
        parts = torch.split(together / self.size, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, on every rank; anything that pickles."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]

    def barrier(self) -> None:
        """Wait for every rank."""
        if self.size > 1:
            dist.barrier(self.control)

    def send(self, rows: Tensor) -> None:
        """Give rows on the CPU to rank 0, which takes them with `receive`."""
        dist.send(rows.contiguous(), 0, group=self.control)

    def receive(self, into: Tensor, rank: int) -> None:
        """Put what a rank sends into a contiguous CPU tensor of the same shape and dtype."""
        dist.recv(into, rank, group=self.control)

    def summon(self, function: Callable[..., None], *arguments: Any) -> None:
        """Let every other rank call a function of a module; rank 0 only.

        Args:
            function: What they call; it takes part in the collectives that rank 0 enters next.
            *arguments: Its arguments; anything that pickles.
        """
        self.broadcast((function, arguments))

    def serve(self) -> None:
        """Do what rank 0 summons to, until it dismisses; the other ranks only."""
        while (task := self.broadcast(None)) is not None:
            function, arguments = task
            function(*arguments)

    def dismiss(self) -> None:
        """Let the other ranks return from `serve`; rank 0 only."""
        self.broadcast(None)


_current = Ranks()


def current_ranks() -> Ranks:
    """The ranks that this process belongs to; alone unless `use_ranks` said otherwise."""
    return _current


def use_ranks(ranks: Ranks) -> None:
    """Make every later `iciclegcn.runtime.Runtime` of this process one of several ranks."""
    global _current
    _current = ranks


class _Gather(torch.autograd.Function):
    # torch.distributed.nn.functional, which Fabric's all_gather calls, is deprecated and wants
    # shares of one length.
    @staticmethod
    def forward(ctx: Any, rows: Tensor, lengths: list[int], rank: int) -> Tensor:
        ctx.start, ctx.length = sum(lengths[:rank]), lengths[rank]
        longest = max(lengths)
        padded = rows.new_zeros((longest, *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in lengths]
        dist.all_gather(parts, padded)
        return torch.cat([part[:n] for part, n in zip(parts, lengths, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.start : ctx.start + ctx.length], None, None
