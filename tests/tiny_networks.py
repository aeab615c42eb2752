"""Networks of a few weights, and files of them."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn


class TinyNetwork(nn.Module):
    """Images [N, 3, S, S] to features [N, 4], which depend on places as well."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = torch.relu(self.conv(images))
        return features.flatten(2).amax(dim=2)


def tiny_network(seed: int = 0) -> TinyNetwork:
    """The network with its own weights for each seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TinyNetwork().eval()


def write_torchscript(file: Path, network: nn.Module | None = None) -> Path:
    """Write a network as TorchScript and return the path."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.")
        torch.jit.script(network or tiny_network()).save(file)  # type: ignore[no-untyped-call]
    return file
