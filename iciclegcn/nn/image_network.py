"""What can be run over all images of a run."""

from torch import nn


class ImageNetwork(nn.Module):
    """A network of images [N, C, S, S] to rows [N, num_features].

    Attributes:
        num_features: Width of a row; set by the subclass.
    """

    num_features: int
