"""`mix_streams` where few columns come out: the fusion happens inside the products.

A fused state is a weighted sum of the streams' states and of the auto-encoder's, and a linear map
of a sum is the sum of the maps. So every state meets the scaled matrices of all streams at once, in
one narrow product, and no fused state of full width is ever written.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from iciclegcn.nn.stream_blocks import (
    Gradients,
    Plan,
    activated,
    add_product,
    cast,
    map_and_activate,
    row_blocks,
    split,
)


class MixIntoFew(torch.autograd.Function):
    """As `iciclegcn.nn.mix_streams.mix_streams`, with maps after the fusion."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, h: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        states, before, after = split(plan, tensors)
        before, scaled = cast(before, plan.dtype), _scaled(plan, after)
        mapped = [state.new_empty(h.shape, dtype=plan.dtype) for state in states if before]
        widths = [len(weight) for weight in after]
        # Sums of rounded products: at least in float32.
        precise = torch.promote_types(plan.dtype, torch.float32)
        total = h.new_zeros(len(h), sum(widths), dtype=precise)
        for rows in row_blocks(h):
            for u, weight in enumerate(before):
                map_and_activate(mapped[u][rows], states[u][rows], weight)
            sources = [*activated(mapped, states, rows), h[rows].to(plan.dtype)]
            for source, weight in zip(sources, scaled, strict=True):
                add_product(total[rows], source, weight.T)
        ctx.plan = plan
        ctx.save_for_backward(h, *mapped, *tensors)
        return tuple(part.to(plan.dtype) for part in torch.split(total, widths, dim=1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        plan: Plan = ctx.plan
        h, *saved = ctx.saved_tensors
        count = plan.num_streams if plan.maps_before else 0
        mapped, tensors = saved[:count], saved[count:]
        states, before, after = split(plan, tensors)
        d_h = torch.empty_like(h)
        wanted = ctx.needs_input_grad[2 : 2 + plan.num_streams]
        gradients = Gradients.empty(states, before, wanted)
        stacked = torch.cat(list(after))
        d_scaled = [torch.zeros_like(stacked) for _ in range(plan.num_streams + 1)]
        before, scaled = cast(before, plan.dtype), _scaled(plan, after)
        d_outputs = torch.cat(grads, dim=1)
        for rows in row_blocks(h):
            d = d_outputs[rows]
            active = activated(mapped, states, rows)
            for u, state in enumerate(active):
                add_product(d_scaled[u], d.T, state)
                weight = before[u] if before else None
                gradients.add(u, rows, d @ scaled[u], state, states[u][rows], weight)
            add_product(d_scaled[-1], d.T, h[rows].to(plan.dtype))
            d_h[rows] = d @ scaled[-1]
        parts = zip(_scales(plan, after), d_scaled, strict=True)
        d_after = sum((scale * d for scale, d in parts), torch.zeros_like(stacked))
        widths = [len(weight) for weight in after]
        return None, d_h, *gradients.states, *gradients.before, *torch.split(d_after, widths)


def _scaled(plan: Plan, after: Sequence[Tensor]) -> list[Tensor]:
    """What every stream's state, and last the auto-encoder's, is multiplied with [sum C_out, C]."""
    stacked = torch.cat(list(after))
    return [(scale * stacked).to(plan.dtype) for scale in _scales(plan, after)]


def _scales(plan: Plan, after: Sequence[Tensor]) -> list[Tensor]:
    """Weight of each source in the columns of every stream [sum C_out, 1]."""
    own, peer, autoencoder = plan.coefficients
    scales = []
    for v in range(plan.num_streams):
        parts = [
            weight.new_full((len(weight), 1), own if u == v else peer)
            for u, weight in enumerate(after)
        ]
        scales.append(torch.cat(parts))
    return [*scales, torch.full_like(scales[0], autoencoder)]
