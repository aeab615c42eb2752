"""What `mix_streams` and `mix_into_few` share: how streams are mixed, block by block of rows."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK_ENTRIES = 2**22  # of one intermediate; with smaller blocks the products take longer


class FusionCoefficients(NamedTuple):
    """Weights of a stream itself, of each of its peers, and of the auto-encoder's state."""

    own: float
    peer: float
    autoencoder: float


class Plan(NamedTuple):
    """What the autograd functions need besides tensors."""

    coefficients: FusionCoefficients
    num_streams: int
    maps_before: bool
    maps_after: bool
    dtype: torch.dtype


def split(
    plan: Plan, tensors: Sequence[Tensor]
) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """States, matrices before and matrices after."""
    count = plan.num_streams
    middle = count * (1 + plan.maps_before)
    return tensors[:count], tensors[count:middle], tensors[middle:]


def cast(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """The weights in the dtype of the products."""
    return [weight.to(dtype) for weight in weights]


def add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a·b to a sum that is kept in the dtype of the parameters."""
    if total.dtype == a.dtype:
        total.addmm_(a, b)
    else:
        total += a @ b


def map_and_activate(mapped: Tensor, state: Tensor, weight: Tensor) -> None:
    """Linear map and ReLU of some rows of a stream, into ``mapped``."""
    torch.mm(state.to(mapped.dtype), weight.T, out=mapped).relu_()


def activated(mapped: Sequence[Tensor], states: Sequence[Tensor], rows: slice) -> list[Tensor]:
    """Some rows of every stream after its ReLU; nothing is ``mapped`` where a layer maps later."""
    return [state[rows] for state in mapped] or [torch.relu(state[rows]) for state in states]


def row_blocks(x: Tensor) -> Iterator[slice]:
    """Consecutive rows with about `BLOCK_ENTRIES` entries."""
    height = max(1, BLOCK_ENTRIES // x.size(1))
    for start in range(0, len(x), height):
        yield slice(start, start + height)


class Gradients(NamedTuple):
    """Where the gradients of states and of the maps before them gather, one entry a stream."""

    states: list[Tensor | None]
    before: list[Tensor]

    @classmethod
    def empty(
        cls, states: Sequence[Tensor], before: Sequence[Tensor], wanted: Sequence[bool]
    ) -> "Gradients":
        """Room for them; states that need none get none."""
        return cls(
            [torch.empty_like(s) if w else None for s, w in zip(states, wanted, strict=True)],
            [torch.zeros_like(weight) for weight in before],
        )

    def add(
        self,
        stream: int,
        rows: slice,
        d: Tensor,
        active: Tensor,
        state: Tensor,
        weight: Tensor | None,
    ) -> None:
        """Send the gradient of some active rows back through ReLU and map.

        Args:
            stream: Whose.
            rows: Which.
            d: Their gradient [n, C]; overwritten.
            active: What came out of the ReLU, or went into it [n, C].
            state: The stream's rows before the map [n, C_in].
            weight: The map [C, C_in] in the products' dtype; None: there is none.
        """
        # Thirty times faster than a product with the boolean mask.
        torch.ops.aten.threshold_backward.grad_input(d, active, 0, grad_input=d)
        d_state = self.states[stream]
        if weight is not None:
            add_product(self.before[stream], d.T, state.to(d.dtype))
            if d_state is not None:
                torch.mm(d, weight, out=d_state[rows])
        elif d_state is not None:
            d_state[rows] = d
