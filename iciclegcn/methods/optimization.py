"""What the training loops share: one step of the optimiser, and a state that can be put back."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def take_step(
    loss: Tensor,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    average: Callable[[], None] | None = None,
) -> None:
    """Differentiate the loss and change the parameters once.

    Args:
        loss: A scalar.
        optimizer: Holds the parameters; earlier gradients are dropped.
        scaler: Scales the loss where the precision is fp16.
        average: Averages the gradients over the ranks, where ``backward`` does not.
    """
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    if average is not None:
        average()
    scaler.step(optimizer)
    scaler.update()


def training_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
) -> dict[str, Any]:
    """What `restore` needs to go on as if nothing had happened; a loop adds how far it is."""
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
    }


def restore(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    state: Mapping[str, Any] | None,
    progress: str,
) -> int:
    """Put back what `training_state` gave.

    Args:
        model: Changed in place, like optimizer and scaler.
        optimizer: Of the model's parameters.
        scaler: Of the loss.
        state: None: begin.
        progress: The entry that says how far the loop was, such as ``epoch``.

    Returns:
        Where to go on: that entry, or 0 without a state.
    """
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scaler.load_state_dict(state["scaler"])
    return int(state[progress])


def require_finite(what: str, where: str, values: Mapping[str, float]) -> None:
    """Stop a training whose loss is no longer a number.

    Args:
        what: Which loss, as ``pretraining``.
        where: Which step, as ``step 7``.
        values: Every term by name; ``loss`` is the one looked at.

    Raises:
        FloatingPointError: Naming the loss, the step and every term.
    """
    if not math.isfinite(values["loss"]):
        terms = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise FloatingPointError(f"the {what} loss is not finite at {where}: {terms}")
