"""A loss of many rows without the memory of many rows."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK_ROWS = 2048
RowLoss = Callable[[Tensor, Tensor], Tensor]


def blockwise_mean(
    loss: RowLoss, inputs: Tensor, targets: Tensor, parameters: Iterable[Tensor]
) -> Tensor:
    """Mean of a loss that looks at every row alone, computed block by block.

    Value and gradient of a block are computed together, so none of its intermediates outlives it.
    The result is the one of ``loss(inputs, targets)``, at the same cost.

    Args:
        loss: Gives the mean loss, a scalar, of some rows of inputs and targets.
        inputs: What the gradient flows back to [N, C].
        targets: Constants [N, D].
        parameters: Everything else in ``loss`` that learns.

    Returns:
        The mean over the N rows, a scalar; differentiable once.
    """
    learned = tuple(parameters)
    if not torch.is_grad_enabled():
        return loss(inputs, targets)
    mean: Tensor = _BlockwiseMean.apply(loss, inputs, targets.detach(), *learned)
    return mean


class _BlockwiseMean(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, loss: RowLoss, inputs: Tensor, targets: Tensor, *parameters: Tensor
    ) -> Tensor:
        total = targets.new_zeros(())
        d_inputs = torch.empty_like(inputs)
        d_parameters = [torch.zeros_like(parameter) for parameter in parameters]
        for start in range(0, len(inputs), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            share = len(inputs[rows]) / len(inputs)
            with torch.enable_grad():
                block = inputs[rows].detach().requires_grad_()
                value = loss(block, targets[rows])
            d_block, *d_block_parameters = torch.autograd.grad(value, (block, *parameters))
            total += share * value.detach()
            d_inputs[rows] = share * d_block
            for d, d_new in zip(d_parameters, d_block_parameters, strict=True):
                d.add_(d_new, alpha=share)
        ctx.save_for_backward(d_inputs, *d_parameters)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        d_inputs, *d_parameters = (d * grad for d in ctx.saved_tensors)
        return None, d_inputs, None, *d_parameters
