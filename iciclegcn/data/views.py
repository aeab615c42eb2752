"""Random views of whole batches of images, with each image's own draws.

A resized crop, a flip and a blur are linear in the image and separable, so each is a matrix per
axis and all three together are two batched matrix products; colour jitter is one 3 x 3 matrix
and an offset per image. This is what makes views cheap beside a training step.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from iciclegcn.config import ViewConfig
from iciclegcn.config.images import VIEW_MEAN as MEAN
from iciclegcn.config.images import VIEW_STD as STD

__all__ = ["MEAN", "STD", "Among", "evaluation_view", "random_views", "resize_matrix"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_RGB_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
_BLUR_SIGMA = (0.1, 2.0)  # pixels, as in SimCLR


class Among(NamedTuple):
    """Which images of a larger batch a batch holds.

    Attributes:
        positions: Place of each image in the larger batch, int64 [N].
        total: Images of the larger batch.
    """

    positions: Tensor
    total: int


def evaluation_view(images: Tensor, size: int) -> Tensor:
    """Resize without any randomness and normalise.

    Args:
        images: uint8 [N, C, H, W].
        size: Side of the view in pixels.

    Returns:
        Float32 [N, C, size, size], channels last, roughly in [-2, 2].
    """
    pixels = images.float()
    if images.shape[-2:] != (size, size):
        pixels = F.interpolate(
            pixels, (size, size), mode="bilinear", antialias=True, align_corners=False
        )
    pixels = pixels.clamp_(0, 255).div_(255 * STD).sub_(MEAN / STD)
    return pixels.contiguous(memory_format=torch.channels_last)


def random_views(
    images: Tensor,
    size: int,
    config: ViewConfig,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    among: Among | None = None,
) -> Tensor:
    """Draw one random view of each image (Section 3.1 of the paper).

    Colour operations apply in the fixed order brightness, contrast, saturation, hue and are
    clamped once at the end; hue turns the chroma plane of YIQ. torchvision shuffles the order,
    clamps after each and turns hue in HSV: the differences are below what the draws vary.

    Args:
        images: uint8 [N, C, H, W], C = 1 or 3.
        size: Side of the views in pixels.
        config: Strengths and probabilities.
        generator: Source of every draw, on the device of the images.
        dtype: Floating dtype of the views and of the work. bfloat16 holds the 256 pixel values
            exactly and its matrix products are several times faster where the CPU has them.
        among: The batch is part of a larger one, whose views are the same in whatever parts they
            are drawn; None: it is the whole.

    Returns:
        ``dtype`` [N, C, size, size], channels last, in [-2, 2].
    """
    draw = _Draws(images.size(0), images.device, generator, among)
    rows, columns = _crop_matrices(images.shape[-2], images.shape[-1], size, config, draw)
    # The pixel range [0, 1] comes in through one of the matrices: no pass of its own.
    rows, columns = (rows / 255).to(dtype), columns.to(dtype)
    if config.blur_probability > 0:
        rows, columns = _blur(rows, columns, config.blur_probability, draw)
    # [N, 1, size, H] @ [N, C, H, W] @ [N, 1, W, size]
    pixels = rows[:, None] @ images.to(dtype) @ columns[:, None].mT
    if config.rotation > 0:
        pixels = _rotate(pixels, config.rotation, draw)
    gain, shift = _jitter(pixels, config, draw)
    pixels = _apply_colors(pixels, gain / STD, (shift - MEAN) / STD)
    pixels = pixels.clamp_(-MEAN / STD, (1 - MEAN) / STD)
    return pixels.contiguous(memory_format=torch.channels_last)


class _Draws:
    """Vectors of one draw an image."""

    def __init__(
        self, n: int, device: torch.device, generator: torch.Generator, among: Among | None
    ) -> None:
        self._n = n if among is None else among.total
        self._device, self._generator = device, generator
        self._positions = None if among is None else among.positions.to(device)

    def uniform(self, low: float, high: float) -> Tensor:
        draws = torch.rand(self._n, generator=self._generator, device=self._device)
        if self._positions is not None:
            draws = draws[self._positions]
        return draws * (high - low) + low

    def happens(self, probability: float) -> Tensor:
        return self.uniform(0, 1) < probability


def _crop_matrices(
    height: int, width: int, size: int, config: ViewConfig, draw: _Draws
) -> tuple[Tensor, Tensor]:
    """Interpolation matrices [N, size, H] and [N, size, W] of one random resized crop each."""
    area = draw.uniform(*config.crop_scale) * height * width
    log_low, log_high = (math.log(bound) for bound in config.crop_ratio)
    ratio = draw.uniform(log_low, log_high).exp()
    crop_width = (area * ratio).sqrt().clamp(max=width)
    crop_height = (area / ratio).sqrt().clamp(max=height)
    top = draw.uniform(0, 1) * (height - crop_height)
    left = draw.uniform(0, 1) * (width - crop_width)
    rows = resize_matrix(top, crop_height, height, size)
    columns = resize_matrix(left, crop_width, width, size)
    flipped = draw.happens(config.flip_probability)[:, None, None]
    return rows, torch.where(flipped, columns.flip(1), columns)


def resize_matrix(start: Tensor, length: Tensor, in_size: int, out_size: int) -> Tensor:
    """The antialiased linear resize of one axis of a crop, as a matrix.

    Args:
        start: First pixel of each crop [N], may be fractional.
        length: Pixels in each crop [N].
        in_size: Pixels along the axis.
        out_size: Pixels wanted.

    Returns:
        Weights [N, out_size, in_size]; rows sum to 1. On whole-pixel crops the product equals
        ``interpolate(mode="bilinear", antialias=True)`` of the crop.
    """
    step = (length / out_size)[:, None, None]
    reach = step.clamp(min=1)  # antialiasing: the kernel never covers less than one pixel
    centers = (torch.arange(out_size, device=start.device) + 0.5)[None, :, None] * step
    pixels = torch.arange(in_size, device=start.device)[None, None, :] + 0.5
    begin, end = start[:, None, None], (start + length)[:, None, None]
    weights = (pixels - begin) / reach - centers / reach  # [N, out_size, in_size]
    weights.abs_().neg_().add_(1).clamp_(min=0)
    # A pixel outside the crop has no say, as if the crop had been cut out first. Fractional
    # crops keep the pixels they touch, so that no row is empty.
    weights *= (pixels > begin - 0.5) & (pixels < end + 0.5)
    return weights.div_(weights.sum(dim=2, keepdim=True))


def _blur(rows: Tensor, columns: Tensor, probability: float, draw: _Draws) -> tuple[Tensor, Tensor]:
    """Follow both resizes [N, size, :] by one Gaussian blur an image."""
    n, size = rows.shape[:2]
    sigma = draw.uniform(*_BLUR_SIGMA)
    # A vanishing width is the identity: images without blur need no path of their own.
    sigma = torch.where(draw.happens(probability), sigma, sigma.new_tensor(1e-3))[:, None]
    offsets = torch.arange(1 - size, size, device=sigma.device)
    kernel = torch.exp(-offsets.square() / (2 * sigma.square())).to(rows.dtype)  # [N, 2 size - 1]
    # Row i of a Toeplitz matrix is the kernel moved by i: a view, not a copy.
    blur = kernel.as_strided((n, size, size), (2 * size - 1, 1, 1)).flip(1)
    # Normalised so that the edges stay as bright as the middle.
    blur = blur / blur.sum(dim=2, keepdim=True)
    return blur @ rows, blur @ columns


def _rotate(pixels: Tensor, degrees: float, draw: _Draws) -> Tensor:
    angle = draw.uniform(-degrees, degrees) * (math.pi / 180)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack(
        [torch.stack([cos, -sin, zero], dim=1), torch.stack([sin, cos, zero], dim=1)], dim=1
    )
    # In fp32 whatever the views' precision: bf16 cannot hold positions in larger images, and
    # sampling in it is slower on the CPU besides.
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    turned = F.grid_sample(
        pixels.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return turned.to(pixels.dtype)


def _jitter(pixels: Tensor, config: ViewConfig, draw: _Draws) -> tuple[Tensor, Tensor]:
    """Colour operations of each image as x -> M x + o: M [N, C, C] and o [N], in fp32."""
    channels = pixels.size(1)
    jittered = draw.happens(config.jitter_probability)
    one = torch.ones((), device=pixels.device)

    def factor(strength: float) -> Tensor:
        return torch.where(jittered, draw.uniform(1 - strength, 1 + strength), one)

    brightness, contrast = factor(config.brightness), factor(config.contrast)
    gain = (brightness * contrast)[:, None, None]
    means = pixels.mean(dim=(2, 3), dtype=torch.float32)  # [N, C]
    if channels == 1:
        return gain, (1 - contrast) * brightness * means[:, 0]
    luma = torch.tensor(_LUMA, device=pixels.device)
    # Grey stays grey under every later matrix, so the contrast's offset passes through them.
    offset = (1 - contrast) * brightness * (means @ luma)
    to_gray = luma.expand(3, 3)
    saturation = factor(config.saturation)[:, None, None]
    matrix = saturation * torch.eye(3, device=pixels.device) + (1 - saturation) * to_gray
    turn = torch.where(jittered, draw.uniform(-config.hue, config.hue), 0 * one)
    matrix = _hue_matrices(turn) @ matrix
    grayed = draw.happens(config.grayscale_probability)[:, None, None]
    return torch.where(grayed, to_gray, matrix) * gain, offset


def _apply_colors(pixels: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    n, channels = pixels.shape[:2]
    shift = offset.to(pixels.dtype)[:, None, None].expand(n, channels, 1)
    return torch.baddbmm(shift, matrix.to(pixels.dtype), pixels.flatten(2)).view_as(pixels)


def _hue_matrices(turn: Tensor) -> Tensor:
    """Rotations of the chroma plane by ``turn`` [N] full turns, in RGB [N, 3, 3]."""
    angle = turn * (2 * math.pi)
    cos, sin = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rotation = torch.stack([one, zero, zero, zero, cos, -sin, zero, sin, cos], dim=1).view(-1, 3, 3)
    to_yiq = torch.tensor(_RGB_TO_YIQ, device=turn.device)
    matrices: Tensor = torch.linalg.inv(to_yiq) @ rotation @ to_yiq
    return matrices
