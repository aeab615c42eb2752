"""Convolutions of the tiny maps that a deep network makes of small images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SmallMapConv2d(nn.Conv2d):
    """A convolution that becomes one matrix product where every output sees the whole map.

    A 3x3 kernel with padding 1 reaches all of a 1x1 or 2x2 map from anywhere. Most of what a
    general convolution multiplies there is padding, and its backward pass on the CPU is many
    times slower than the product. Parameters, their names and the values are those of
    ``nn.Conv2d``; larger maps and other devices go its way.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve maps [N, C, H, W] to [N, C', H', W']."""
        if input.device.type != "cpu" or not self._is_small(input.size(2), input.size(3)):
            return super().forward(input)
        height, width = input.shape[2:]
        tops, lefts = self._starts(height, 0), self._starts(width, 1)
        # The part of the kernel that lies on the map, for each output [C', H * W * C].
        blocks = [
            self.weight[:, :, top : top + height, left : left + width]
            .permute(0, 2, 3, 1)
            .flatten(1)
            for top in tops
            for left in lefts
        ]
        flat = input.permute(0, 2, 3, 1).flatten(1)  # a view of channels-last maps
        output = F.linear(flat, torch.cat(blocks)).view(
            -1, len(tops), len(lefts), self.out_channels
        )
        if self.bias is not None:
            output = output + self.bias
        return output.permute(0, 3, 1, 2)

    def _starts(self, length: int, axis: int) -> list[int]:
        """The kernel's entry that meets the map's first pixel, for every output along an axis."""
        kernel, stride, padding = self.kernel_size[axis], self.stride[axis], int(self.padding[axis])
        outputs = (length + 2 * padding - kernel) // stride + 1
        return [padding - i * stride for i in range(outputs)]

    def _is_small(self, height: int, width: int) -> bool:
        plain = self.groups == 1 and self.dilation == (1, 1) and self.padding_mode == "zeros"
        if not plain or isinstance(self.padding, str):
            return False
        return all(
            0 <= start <= self.kernel_size[axis] - length
            for axis, length in enumerate((height, width))
            for start in self._starts(length, axis)
        )


def use_small_map_products(network: nn.Module) -> None:
    """Replace the convolutions of a network with more than one kernel entry; keeps the weights.

    Args:
        network: Changed in place; parameters stay the same objects under the same names.
    """
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Conv2d and layer.kernel_size != (1, 1):
                setattr(module, name, _like(layer))


def _like(layer: nn.Conv2d) -> SmallMapConv2d:
    with torch.device("meta"):  # draws nothing from the global generator
        twin = SmallMapConv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            layer.dilation,  # type: ignore[arg-type]
            layer.groups,
            layer.bias is not None,
            layer.padding_mode,
        )
    twin.weight, twin.bias = layer.weight, layer.bias
    return twin
