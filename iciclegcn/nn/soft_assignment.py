"""Soft assignment of codes to learned cluster centres."""

import torch
from torch import Tensor, nn


class SoftAssignment(nn.Module):
    """Student-t similarity of every code to K learned centres.

    Args:
        num_clusters: Number of centres K.
        channels: Width C of the codes.
        degrees_of_freedom: t of the Student-t kernel, positive.

    Raises:
        ValueError: If ``degrees_of_freedom`` is not positive.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 20.
    """

    def __init__(self, num_clusters: int, channels: int, degrees_of_freedom: float = 1.0) -> None:
        super().__init__()
        if not degrees_of_freedom > 0:
            raise ValueError(f"'degrees_of_freedom' must be positive (got {degrees_of_freedom})")
        self.degrees_of_freedom = degrees_of_freedom
        self.centers = nn.Parameter(torch.empty(num_clusters, channels))
        nn.init.xavier_normal_(self.centers)

    def forward(self, code: Tensor) -> Tensor:
        """Return soft assignments q [N, K] of codes [N, C]; rows sum to 1."""
        code = code.to(torch.promote_types(code.dtype, torch.float32))
        # |z - c|^2 = |z|^2 - 2zc + |c|^2 needs no [N, K, C]; around the centres' mean it cancels
        # least.
        shift = self.centers.detach().mean(dim=0)
        z, centers = code - shift, self.centers - shift
        with torch.autocast(code.device.type, enabled=False):
            product = z @ centers.T
        squared = z.square().sum(1, keepdim=True) - 2 * product + centers.square().sum(1)
        t = self.degrees_of_freedom
        # A softmax of the kernel's logarithm: no power underflows, whatever t is.
        return torch.softmax(-(t + 1) / 2 * torch.log1p(squared.clamp_min(0) / t), dim=1)
