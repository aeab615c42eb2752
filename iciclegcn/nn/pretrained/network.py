"""A trained network as every other one here: views to rows of features."""

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from iciclegcn.errors import UserError
from iciclegcn.nn.image_network import ImageNetwork
from iciclegcn.nn.pretrained.preprocess import Preprocess


class PretrainedNetwork(ImageNetwork):
    """Preprocessing and a network without its classifier.

    Args:
        network: Images [N, 3, S, S] to features [N, D], or to maps [N, D, H, W], which are
            averaged over positions.
        preprocess: What it is shown.
        name: What users call it, for messages.
        full_precision: Compute in float32 whatever the precision around it.
        channels_last: Keep images and weights with their channels last in memory, which most
            convolutions are faster with; given up where the network cannot take such images.

    Attributes:
        num_features: D, found by showing the network one image.
        center: Subtracted from the features [D]; 0 until `scale_features`.
        scale: They are divided by it; 1 until then.

    Raises:
        UserError: If the network gives something else.
    """

    center: Tensor
    scale: Tensor

    def __init__(
        self,
        network: nn.Module,
        preprocess: Preprocess,
        name: str,
        *,
        full_precision: bool = False,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.network = network
        self.full_precision = full_precision
        self._name = name
        self._plain = True  # as the network gives them
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        if channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.num_features = self._width()
        self.register_buffer("center", torch.zeros(self.num_features), persistent=False)
        self.register_buffer("scale", torch.ones(()), persistent=False)

    def forward(self, views: Tensor) -> Tensor:
        """Views [N, 1 or 3, S, S] to features x [N, D]."""
        if not self.full_precision:
            return self._scaled(self._shown(self.preprocess(views)))
        with torch.autocast(views.device.type, enabled=False):
            return self._scaled(self._shown(self.preprocess(views.float())))

    def scale_features(self, center: Tensor, scale: float) -> None:
        """Give features less ``center`` [D], divided by ``scale``, from here on."""
        self.center, self.scale = center.to(self.center), torch.tensor(scale).to(self.scale)
        self._plain = False

    def fingerprint(self) -> str:
        """SHA-256 of the weights, or of the file that holds the network."""
        own = getattr(self.network, "fingerprint", None)
        if callable(own):
            return str(own())
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f"{name}/{tensor.dtype}/{tuple(tensor.shape)}\n".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def require_size(self, side: int) -> None:
        """Make sure that views of a size can be shown.

        Args:
            side: Of the views, in pixels.

        Raises:
            UserError: If the network cannot take them.
        """
        self._try(self.preprocess(torch.zeros(1, 3, side, side)), "data.image_size")

    def _width(self) -> int:
        size = self.preprocess.shown.image_size
        return self._try(torch.zeros(1, 3, size, size), "backbone.image_size").size(1)

    @torch.inference_mode()
    def _try(self, images: Tensor, option: str) -> Tensor:
        """The rows of images that are only there to be tried."""
        training = self.network.training
        self.network.eval()  # a row through batch normalisation has no variance, and leaves marks
        try:
            output = self._first_shown(images)
        # Whatever a network raises when an image does not fit it; some only assert.
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(
                f"'{self._name}' does not take images of {images.size(-1)} pixels ({reason}); "
                f"give a size that it was made for with --{option}"
            ) from error
        self.network.train(training)
        return self._rows(output)

    def _first_shown(self, images: Tensor) -> object:
        try:
            return self._shown(images)
        except RuntimeError:
            if self._format is torch.contiguous_format:
                raise
        # A view that takes the usual order in memory for granted.
        self._format = torch.contiguous_format
        self.network.to(memory_format=torch.contiguous_format)
        return self._shown(images)

    def _shown(self, images: Tensor) -> object:
        return self.network(images.contiguous(memory_format=self._format))

    def _scaled(self, output: object) -> Tensor:
        rows = self._rows(output)
        return rows if self._plain else (rows.float() - self.center) / self.scale

    def _rows(self, output: object) -> Tensor:
        found = _first_tensor(output)
        if found is not None and found.ndim == 4:
            found = found.mean(dim=(2, 3))
        if found is None or found.ndim != 2 or not found.is_floating_point():
            shape = type(output).__name__ if found is None else tuple(found.shape)
            raise UserError(
                f"'{self._name}' must give features [N, D] or maps [N, D, H, W] of images (got "
                f"{shape}); leave out what follows them"
            )
        return found


def _first_tensor(output: object) -> Tensor | None:
    """The output, or the first of several."""
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, Sequence) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None
