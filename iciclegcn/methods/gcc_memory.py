"""What GCC remembers of every image."""

import torch
from torch import Tensor


class EmbeddingMemory:
    """The last embeddings of every image, as one tensor.

    Args:
        num_images: N.
        length: Epochs remembered, L.
        channels: Width D of an embedding.
        device: Where the embeddings come from, and are kept.

    Attributes:
        embeddings: float32 [N, L, D]; that of epoch e is in place e mod L.

    Source:
        GCC (Zhong et al., 2021), Section 3.3: a moving average of the representations.
    """

    def __init__(self, num_images: int, length: int, channels: int, device: torch.device) -> None:
        self.embeddings = torch.zeros(num_images, length, channels, device=device)

    def write(self, rows: Tensor, z: Tensor, epoch: int) -> None:
        """Remember embeddings in place of those of L epochs ago.

        Args:
            rows: Numbers of the images [n], each once.
            z: Their embeddings [n, D].
            epoch: Number of the epoch, from 0; in each, every image is written once.
        """
        place = epoch % self.embeddings.size(1)
        self.embeddings[rows.to(z.device), place] = z.detach().to(self.embeddings.dtype)

    def mean(self, epochs: int) -> Tensor:
        """The plain mean of what is remembered [N, D], not normalised again.

        Args:
            epochs: Epochs written so far.

        Raises:
            ValueError: If none is.
        """
        if epochs < 1:
            raise ValueError(f"'epochs' must be at least 1 (got {epochs}): nothing is remembered")
        return self.embeddings[:, :epochs].mean(dim=1)

    def load(self, embeddings: Tensor) -> None:
        """Put back the embeddings of an interrupted training."""
        self.embeddings.copy_(embeddings)
