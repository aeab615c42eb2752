"""What all streams do between two propagations, in one step and block by block of rows.

The mathematics is that of `iciclegcn.nn.FusionGCNConv`: linear map (where a layer propagates
first), ReLU, fusion, linear map (where the next layer maps first). No node needs another one in
between, so nothing but the first map's result is kept for the backward pass, and no other
intermediate of full height exists.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK_ENTRIES = 2**21  # of one intermediate; with smaller blocks the products take longer


class FusionCoefficients(NamedTuple):
    """Weights of a stream itself, of each of its peers, and of the auto-encoder's state."""

    own: float
    peer: float
    autoencoder: float


class _Plan(NamedTuple):
    """What the autograd function needs besides tensors."""

    coefficients: FusionCoefficients
    num_streams: int
    maps_before: bool
    maps_after: bool
    dtype: torch.dtype


def mix_streams(
    coefficients: FusionCoefficients,
    states: Sequence[Tensor],
    h: Tensor,
    before: Sequence[Tensor] | None = None,
    after: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """Linear map, ReLU, fusion and linear map of all streams.

    Args:
        coefficients: Weights of Eq. 15-16.
        states: State of every stream after its last propagation, each [N, C_in].
        h: The auto-encoder's state, after its activation [N, C].
        before: A matrix [C, C_in] for each stream, applied before the ReLU; None: C_in = C.
        after: A matrix [C_out, C] for each stream, applied after the fusion; None: C_out = C.

    Returns:
        The fused state of every stream [N, C_out], in autocast's dtype where that is on.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 14-17, without the propagation.
    """
    dtype = states[0].dtype
    if torch.is_autocast_enabled(h.device.type):
        dtype = torch.get_autocast_dtype(h.device.type)
    plan = _Plan(coefficients, len(states), before is not None, after is not None, dtype)
    mixed: tuple[Tensor, ...] = _MixStreams.apply(plan, h, *states, *(before or ()), *(after or ()))
    return list(mixed)


class _MixStreams(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: _Plan, h: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        states, before, after = _split(plan, tensors)
        before, after = _cast(before, plan.dtype), _cast(after, plan.dtype)
        mapped = [state.new_empty(h.shape, dtype=plan.dtype) for state in states if before]
        widths = [weight.size(0) for weight in after] or [h.size(1)] * plan.num_streams
        outputs = tuple(h.new_empty(len(h), width, dtype=plan.dtype) for width in widths)
        for rows in _blocks(h):
            for u, weight in enumerate(before):
                part = mapped[u][rows]
                torch.mm(states[u][rows].to(plan.dtype), weight.T, out=part).relu_()
            shared, active = _shared(plan, mapped, states, h, rows)
            for u, output in enumerate(outputs):
                if after:
                    torch.mm(_mixed(plan, shared, active[u]), after[u].T, out=output[rows])
                else:
                    _mixed(plan, shared, active[u], out=output[rows])
        ctx.plan = plan
        ctx.save_for_backward(h, *mapped, *tensors)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        plan: _Plan = ctx.plan
        _, peer, autoencoder = plan.coefficients
        h, *saved = ctx.saved_tensors
        count = plan.num_streams if plan.maps_before else 0
        mapped, tensors = saved[:count], saved[count:]
        states, before, after = _split(plan, tensors)
        wanted = ctx.needs_input_grad[2 : 2 + plan.num_streams]
        d_h = torch.empty_like(h)
        d_states = [torch.empty_like(s) if w else None for s, w in zip(states, wanted, strict=True)]
        d_before = [torch.zeros_like(weight) for weight in before]
        d_after = [torch.zeros_like(weight) for weight in after]
        before, after = _cast(before, plan.dtype), _cast(after, plan.dtype)
        for rows in _blocks(h):
            d_mixed = [grad[rows] for grad in grads]
            if after:
                # Mixed again rather than kept: cheaper than the memory.
                shared, active = _shared(plan, mapped, states, h, rows)
                for u, state in enumerate(active):
                    _add_product(d_after[u], d_mixed[u].T, _mixed(plan, shared, state))
                    d_mixed[u] = d_mixed[u] @ after[u]
            total = reduce(torch.add, d_mixed)
            d_h[rows] = total * autoencoder
            d_shared = total * peer
            for u, state in enumerate(mapped or states):
                d = _mixed(plan, d_shared, d_mixed[u])  # the mixing is its own transpose
                # Thirty times faster than a product with the boolean mask.
                d = torch.ops.aten.threshold_backward(d, state[rows], 0)
                if before:
                    _add_product(d_before[u], d.T, states[u][rows].to(plan.dtype))
                if (d_state := d_states[u]) is None:
                    continue
                if before:
                    torch.mm(d, before[u], out=d_state[rows])
                else:
                    d_state[rows] = d
        return None, d_h, *d_states, *d_before, *d_after


def _split(
    plan: _Plan, tensors: Sequence[Tensor]
) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """States, matrices before and matrices after."""
    count = plan.num_streams
    split = count * (1 + plan.maps_before)
    return tensors[:count], tensors[count:split], tensors[split:]


def _cast(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    return [weight.to(dtype) for weight in weights]


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a·b to a sum that is kept in the dtype of the parameters."""
    if total.dtype == a.dtype:
        total.addmm_(a, b)
    else:
        total += a @ b


def _shared(
    plan: _Plan, mapped: Sequence[Tensor], states: Sequence[Tensor], h: Tensor, rows: slice
) -> tuple[Tensor, list[Tensor]]:
    """What all streams have in common in Eq. 15-16, and every stream after its ReLU."""
    active = [state[rows] for state in mapped] or [torch.relu(state[rows]) for state in states]
    shared = (h[rows] * plan.coefficients.autoencoder).to(plan.dtype)
    for state in active:
        shared.add_(state, alpha=plan.coefficients.peer)
    return shared, active


def _mixed(plan: _Plan, shared: Tensor, state: Tensor, out: Tensor | None = None) -> Tensor:
    """One stream's fused state: it is among the peers in ``shared``, so that part is corrected."""
    own, peer, _ = plan.coefficients
    return torch.add(shared, state, alpha=own - peer, out=out)


def _blocks(x: Tensor) -> Iterator[slice]:
    height = max(1, _BLOCK_ENTRIES // x.size(1))
    for start in range(0, len(x), height):
        yield slice(start, start + height)
