"""The auto-encoder that stage 1 pretrains and stage 2 fuses with the graph streams."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AutoEncoder(nn.Module):
    """Fully connected auto-encoder whose code is a soft assignment to K clusters.

    The encoder has a ReLU between its layers and a softmax on the code; the decoder mirrors its
    widths, with a ReLU between its layers and a linear output.

    Args:
        in_channels: Width D of the features.
        hidden_channels: Widths between the features and the code.
        num_clusters: Width K of the code.

    Raises:
        ValueError: If there is no hidden layer, or a width is not positive.

    Source:
        IcicleGCN (Xu et al., 2024), Section 3.3 and Eq. 9-10.
    """

    def __init__(self, in_channels: int, hidden_channels: Sequence[int], num_clusters: int) -> None:
        super().__init__()
        widths = [in_channels, *hidden_channels, num_clusters]
        if len(widths) < 3:
            raise ValueError("'hidden_channels' must name one width or more (got none)")
        if min(widths) < 1:
            raise ValueError(f"every width must be positive (got {widths})")
        self.widths = tuple(widths)
        self.encoder = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        self.decoder = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(reversed(widths)))

    def encode(self, x: Tensor) -> list[Tensor]:
        """Return the state after every encoder layer (Eq. 9).

        Args:
            x: Features [N, D].

        Returns:
            Hidden states [N, width] in order; the last one is the code [N, K], whose rows sum
            to 1 and which is at least float32 whatever the precision of the products.
        """
        states: list[Tensor] = []
        h = x
        for layer in self.encoder[:-1]:
            h = F.relu(layer(h), inplace=True)  # nothing else needs the state before the ReLU
            states.append(h)
        logits = self.encoder[-1](h)
        dtype = torch.promote_types(logits.dtype, torch.float32)
        states.append(torch.softmax(logits, dim=1, dtype=dtype))
        return states

    def decode(self, code: Tensor) -> Tensor:
        """Reconstruct features [N, D] from the code [N, K] (Eq. 10)."""
        h = code
        for layer in self.decoder[:-1]:
            h = F.relu(layer(h), inplace=True)
        reconstruction: Tensor = self.decoder[-1](h)
        return reconstruction

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction [N, D] and the code [N, K] of features [N, D]."""
        code = self.encode(x)[-1]
        return self.decode(code), code
