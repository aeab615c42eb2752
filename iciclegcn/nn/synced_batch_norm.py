"""Batch normalisation over the batches of several processes, for the CPU."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` whose training statistics are those of all ranks' batches together.

    torch's ``SyncBatchNorm`` runs on GPUs only. Parameters, buffers and their names are those of
    ``nn.BatchNorm2d`` with its defaults ``affine`` and ``track_running_stats``, and so is all it
    does in evaluation mode. Each rank's loss counts in the gradients of the others' inputs; batches
    may differ in size. One exchange of 2C + 1 numbers forward and one of 2C backward.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise maps [N, C, H, W]; every rank must call with the same C."""
        if not self.training:
            return super().forward(input)
        output, mean, variance, count = _SyncedNorm.apply(input, self.weight, self.bias, self.eps)
        self._track(mean, variance * (count / (count - 1)))
        result: Tensor = output
        return result

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            raise ValueError("'track_running_stats' must be True and 'momentum' a number")
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


class _SyncedNorm(torch.autograd.Function):
    """y = (x - mean) / sqrt(var + eps) * weight + bias over all ranks' rows."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance, count = _statistics(x)
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps), count)
        y = F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        ctx.mark_non_differentiable(mean, variance, count)
        return y, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, inverse_std, count = ctx.saved_tensors
        shape = (1, -1, 1, 1)
        normalised = (x.to(mean.dtype) - mean.view(shape)) * inverse_std.view(shape)
        grad = grad.to(mean.dtype)
        d_bias = grad.sum(dim=(0, 2, 3))
        d_weight = (grad * normalised).sum(dim=(0, 2, 3))
        means = torch.cat([d_bias, d_weight])
        dist.all_reduce(means)
        d_mean, d_scale = (means / count).chunk(2)
        d_x = grad - d_mean.view(shape) - normalised * d_scale.view(shape)
        d_x *= (weight * inverse_std).view(shape)
        return d_x.to(x.dtype), d_weight, d_bias, None


def _statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C] and biased variance [C] of every rank's rows, at least fp32, and their number."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, dim=(0, 2, 3), correction=0)
    own = torch.cat([mean, variance, mean.new_tensor([x.numel() / x.size(1)])])
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own)
    # [ranks, C], [ranks, C] and [ranks, 1]
    channels = [len(mean), len(mean), 1]
    means, variances, counts = torch.split(torch.stack(parts), channels, dim=1)
    count = counts.sum()
    share = counts / count
    total_mean = (means * share).sum(dim=0)
    # The squares of whole batches never meet: a large mean costs no digits.
    spread = variances + (means - total_mean).square()
    return total_mean, (spread * share).sum(dim=0), count


def synchronise_batch_norm(network: nn.Module) -> None:
    """Let the batch normalisations of a network see the batches of all ranks.

    Args:
        network: Changed in place; parameters and buffers stay the same objects under the same
            names. On a GPU torch's ``SyncBatchNorm`` is used.
    """
    if next(network.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.BatchNorm2d:
                setattr(module, name, _like(layer))


def _like(layer: nn.BatchNorm2d) -> SyncedBatchNorm2d:
    twin = SyncedBatchNorm2d(layer.num_features, layer.eps, layer.momentum)
    twin.weight, twin.bias = layer.weight, layer.bias
    twin.running_mean, twin.running_var = layer.running_mean, layer.running_var
    twin.num_batches_tracked = layer.num_batches_tracked
    return twin.train(layer.training)
