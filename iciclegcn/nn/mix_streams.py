"""The fusion of all streams of one depth in one step, block by block of rows.

The mathematics is that of `iciclegcn.nn.FusionGCNConv`. Doing all streams at once keeps nothing
for the backward pass but the streams themselves, and no intermediate of full height exists.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

_BLOCK_ENTRIES = 2**20  # entries of one intermediate: it stays in the processor's cache


class FusionCoefficients(NamedTuple):
    """Weights of a stream itself, of each of its peers, and of the auto-encoder's state."""

    own: float
    peer: float
    autoencoder: float


def mix_streams(
    coefficients: FusionCoefficients,
    states: Sequence[Tensor],
    h: Tensor,
    weights: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """ReLU, fusion and, if asked for, the linear map of the next layer, for all streams.

    Args:
        coefficients: Weights of Eq. 15-16.
        states: Every stream before its ReLU, each [N, C].
        h: The auto-encoder's state, after its activation [N, C].
        weights: A matrix [C_out, C] for each stream; None: no linear map.

    Returns:
        The fused state of every stream, [N, C_out] ([N, C] without ``weights``).

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 15-17, without the propagation.
    """
    mixed: tuple[Tensor, ...] = _MixStreams.apply(
        coefficients, len(states), h, *states, *(weights or ())
    )
    return list(mixed)


class _MixStreams(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, coefficients: FusionCoefficients, num_streams: int, h: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        states, weights = tensors[:num_streams], tensors[num_streams:]
        ctx.coefficients, ctx.num_streams = coefficients, num_streams
        ctx.save_for_backward(h, *tensors)
        weights = tuple(weight.to(states[0].dtype) for weight in weights)
        widths = [w.size(0) for w in weights] or [h.size(1)] * num_streams
        outputs = tuple(s.new_empty(len(s), c) for s, c in zip(states, widths, strict=True))
        for rows in _blocks(h):
            mixed = _mix(coefficients, [s[rows] for s in states], h[rows])
            for u, output in enumerate(outputs):
                if weights:
                    torch.mm(mixed[u], weights[u].T, out=output[rows])
                else:
                    output[rows] = mixed[u]
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        own, peer, autoencoder = coefficients = ctx.coefficients
        h, *tensors = ctx.saved_tensors
        states, weights = tensors[: ctx.num_streams], tensors[ctx.num_streams :]
        cast_weights = [weight.to(states[0].dtype) for weight in weights]
        d_h, d_states = torch.empty_like(h), [torch.empty_like(s) for s in states]
        d_weights = [torch.zeros_like(weight) for weight in weights]
        for rows in _blocks(h):
            d_mixed = [grad[rows] for grad in grads]
            if weights:
                # Mixed again rather than kept: cheaper than the memory.
                mixed = _mix(coefficients, [s[rows] for s in states], h[rows])
                for d_weight, d, m in zip(d_weights, d_mixed, mixed, strict=True):
                    d_weight += d.T @ m
                d_mixed = [d @ w for d, w in zip(d_mixed, cast_weights, strict=True)]
            total = sum(d_mixed[1:], start=d_mixed[0])
            d_h[rows] = total * autoencoder
            for d_state, state, d in zip(d_states, states, d_mixed, strict=True):
                d_relu = torch.add(total * peer, d, alpha=own - peer)
                torch.mul(d_relu, state[rows] > 0, out=d_state[rows])
        return None, None, d_h, *d_states, *d_weights


def _mix(coefficients: FusionCoefficients, states: Sequence[Tensor], h: Tensor) -> list[Tensor]:
    own, peer, autoencoder = coefficients
    active = [torch.relu(state) for state in states]
    shared = (h * autoencoder).to(active[0].dtype)
    for state in active:
        shared.add_(state, alpha=peer)  # a stream's own share is corrected below
    return [torch.add(shared, state, alpha=own - peer) for state in active]


def _blocks(x: Tensor) -> Iterator[slice]:
    height = max(1, _BLOCK_ENTRIES // x.size(1))
    for start in range(0, len(x), height):
        yield slice(start, start + height)
