"""Teach the auto-encoder's code a first partition before the streams start from it."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from iciclegcn.losses.self_training import reconstruction_loss
from iciclegcn.nn.autoencoder import AutoEncoder
from iciclegcn.runtime import Runtime

BATCH_SIZE = 1024
LEARNING_RATE = 1e-3


class RandomRows(Protocol):
    """A matrix of which rows can be had by number: a tensor, or a file."""

    @property
    def device(self) -> torch.device:
        """Where rows are handed out."""

    def __len__(self) -> int:
        """Number of rows."""

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """The rows of some numbers [M]."""


def warm_up_code(
    autoencoder: AutoEncoder, x: RandomRows, assignments: Tensor, steps: int, runtime: Runtime
) -> None:
    """Fit the code to hard assignments, and keep reconstructing; changes the auto-encoder.

    A departure from the paper: the code of stage 1 may have settled early on a poor partition
    that self-training can no longer leave, while the features have moved on.

    Args:
        autoencoder: Trained in place.
        x: Features [N, D].
        assignments: A partition of the images, int64 [N], in [0, K).
        steps: Steps of Adam on random batches.
        runtime: Seed, device and precision.
    """
    optimizer = torch.optim.Adam(autoencoder.parameters(), LEARNING_RATE, fused=True)
    for step in range(steps):
        generator = runtime.cpu_generator("code_warmup", step)
        rows = torch.randint(len(x), (min(BATCH_SIZE, len(x)),), generator=generator)
        batch = x[rows.to(x.device)]
        with runtime.autocast():
            x_hat, code = autoencoder(batch)
        tiny = torch.finfo(code.dtype).tiny
        cross_entropy = F.nll_loss(code.clamp_min(tiny).log(), assignments[rows.to(x.device)])
        loss = cross_entropy + reconstruction_loss(batch, x_hat, "entry_mean")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
