"""What all streams do between two propagations, in one step and block by block of rows.

The mathematics is that of `iciclegcn.nn.FusionGCNConv`: linear map (where a layer propagates
first), ReLU, fusion, linear map (where the next layer maps first). No node needs another one in
between, so nothing but the first map's result is kept for the backward pass, and no other
intermediate of full height exists.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from iciclegcn.nn.mix_into_few import MixIntoFew
from iciclegcn.nn.stream_blocks import (
    FusionCoefficients,
    Gradients,
    Plan,
    activated,
    add_product,
    cast,
    map_and_activate,
    row_blocks,
    split,
)

__all__ = ["FusionCoefficients", "mix_streams"]

_FEW = 256  # columns of all streams: up to here narrow products cost less than sums of wide rows


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
    plan = Plan(coefficients, len(states), before is not None, after is not None, dtype)
    few = after is not None and sum(len(weight) for weight in after) <= _FEW
    function = MixIntoFew if few else _MixStreams
    mixed: tuple[Tensor, ...] = function.apply(plan, h, *states, *(before or ()), *(after or ()))
    return list(mixed)


class _MixStreams(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, h: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        states, before, after = split(plan, tensors)
        before, after = cast(before, plan.dtype), cast(after, plan.dtype)
        mapped = [state.new_empty(h.shape, dtype=plan.dtype) for state in states if before]
        widths = [weight.size(0) for weight in after] or [h.size(1)] * plan.num_streams
        outputs = tuple(h.new_empty(len(h), width, dtype=plan.dtype) for width in widths)
        for rows in row_blocks(h):
            for u, weight in enumerate(before):
                map_and_activate(mapped[u][rows], states[u][rows], weight)
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
        plan: Plan = ctx.plan
        _, peer, autoencoder = plan.coefficients
        h, *saved = ctx.saved_tensors
        count = plan.num_streams if plan.maps_before else 0
        mapped, tensors = saved[:count], saved[count:]
        states, before, after = split(plan, tensors)
        d_h = torch.empty_like(h)
        wanted = ctx.needs_input_grad[2 : 2 + plan.num_streams]
        gradients = Gradients.empty(states, before, wanted)
        d_after = [torch.zeros_like(weight) for weight in after]
        before, after = cast(before, plan.dtype), cast(after, plan.dtype)
        for rows in row_blocks(h):
            d_mixed = [grad[rows] for grad in grads]
            if after:
                # Mixed again rather than kept: cheaper than the memory.
                shared, active = _shared(plan, mapped, states, h, rows)
                for u, state in enumerate(active):
                    add_product(d_after[u], d_mixed[u].T, _mixed(plan, shared, state))
                    d_mixed[u] = d_mixed[u] @ after[u]
            total = reduce(torch.add, d_mixed)
            d_h[rows] = total * autoencoder
            d_shared = total * peer
            for u, state in enumerate(mapped or states):
                d = _mixed(plan, d_shared, d_mixed[u])  # the mixing is its own transpose
                weight = before[u] if before else None
                gradients.add(u, rows, d, state[rows], states[u][rows], weight)
        return None, d_h, *gradients.states, *gradients.before, *d_after


def _shared(
    plan: Plan, mapped: Sequence[Tensor], states: Sequence[Tensor], h: Tensor, rows: slice
) -> tuple[Tensor, list[Tensor]]:
    """What all streams have in common in Eq. 15-16, and every stream after its ReLU."""
    active = activated(mapped, states, rows)
    shared = (h[rows] * plan.coefficients.autoencoder).to(plan.dtype)
    for state in active:
        shared.add_(state, alpha=plan.coefficients.peer)
    return shared, active


def _mixed(plan: Plan, shared: Tensor, state: Tensor, out: Tensor | None = None) -> Tensor:
    """One stream's fused state: it is among the peers in ``shared``, so that part is corrected."""
    own, peer, _ = plan.coefficients
    return torch.add(shared, state, alpha=own - peer, out=out)
