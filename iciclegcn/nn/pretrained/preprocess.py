"""From the views that every network here is shown to what a trained one was trained on."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iciclegcn.config.images import VIEW_MEAN, VIEW_STD
from iciclegcn.nn.pretrained.facts import Shown


class Preprocess(nn.Module):
    """Resize, take the middle, and normalise as the network's authors did.

    Args:
        shown: Size, crop, interpolation, mean and standard deviation.
        resize: Whether views are brought to that size; else they stay as they are.
        crop: Share of the side that is left; None: the network's own, and all of views that are
            smaller than what it is shown: of few pixels none is thrown away.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, shown: Shown, *, resize: bool = True, crop: float | None = None) -> None:
        super().__init__()
        self.shown = shown
        self._resize = resize
        self._crop = crop
        mean, std = torch.tensor(shown.mean), torch.tensor(shown.std)
        # Pixels in [0, 1] are view * VIEW_STD + VIEW_MEAN.
        scale, shift = VIEW_STD / std, (VIEW_MEAN - mean) / std
        self.register_buffer("scale", scale.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, -1, 1, 1), persistent=False)

    def forward(self, views: Tensor) -> Tensor:
        """Views [N, 1 or 3, S, S], pixels less `VIEW_MEAN` by `VIEW_STD`, to [N, 3, size, size]."""
        if self._resize:
            views = self._resized(views)
        views = views.expand(-1, 3, -1, -1)  # grey is all three
        images = torch.addcmul(self.shift.to(views.dtype), views, self.scale.to(views.dtype))
        return images.contiguous(memory_format=torch.channels_last)

    def _resized(self, views: Tensor) -> Tensor:
        size, side = self.shown.image_size, views.size(-1)
        crop = self._crop
        if crop is None:
            crop = self.shown.crop if side >= size else 1.0
        whole = round(size / crop)
        if side != whole:
            # In fp32: half precision has no antialiasing on the CPU.
            views = F.interpolate(
                views.float(),
                (whole, whole),
                mode=self.shown.interpolation,
                antialias=True,
                align_corners=False,
            )
            # Bicubic overshoots; images on disk cannot.
            views = views.clamp(-VIEW_MEAN / VIEW_STD, (1 - VIEW_MEAN) / VIEW_STD)
        # As torchvision's centre crop rounds.
        start = round((whole - size) / 2)
        return views[..., start : start + size, start : start + size]
