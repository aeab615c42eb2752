"""The graph convolution that mixes several streams with an auto-encoder before it propagates."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.nn import GCNConv

from iciclegcn.nn.mix_streams import FusionCoefficients
from iciclegcn.nn.propagate import Propagation, propagate


class FusionGCNConv(GCNConv):  # type: ignore[misc]
    r"""Graph convolution over the weighted sum of a stream, its peers and an auto-encoder state.

    .. math::
        \tilde{G}_u = \sigma G_u + \gamma \, \mathrm{mean}_{v \ne u} G_v + \rho H, \qquad
        G_u' = A_u \tilde{G}_u W_u

    The activation is left to the caller. Without peers the weight of their term goes to H.

    Args:
        in_channels: Width of every input state.
        out_channels: Width of the output.
        sigma: Weight of the stream's own state.
        gamma: Weight of the mean of the peers.
        autoencoder_weight: Weight :math:`\rho` of the auto-encoder's state; None: the rest,
            1 - sigma - gamma. The published code uses .5, .2, .5, which sum to 1.2.
        bias: Add a learned bias to the output.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 14-17.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        sigma: float = 0.4,
        gamma: float = 0.2,
        autoencoder_weight: float | None = None,
        *,
        bias: bool = False,
    ) -> None:
        # The graph is normalised outside, once: normalising a CSR matrix here would count
        # self-loops twice.
        super().__init__(in_channels, out_channels, normalize=False, bias=bias)
        self.sigma = sigma
        self.gamma = gamma
        self.autoencoder_weight = (
            1.0 - sigma - gamma if autoencoder_weight is None else autoencoder_weight
        )

    def forward(
        self,
        x: Tensor,
        peers: Sequence[Tensor],
        h: Tensor,
        edge_index: Tensor | Propagation,
        edge_weight: Tensor | None = None,
    ) -> Tensor:
        """Fuse, propagate and transform.

        Args:
            x: The stream's own state G_u [N, in_channels].
            peers: States of the other streams, each [N, in_channels]; may be empty.
            h: The auto-encoder's state of the same depth [N, in_channels].
            edge_index: The normalised graph with its self-loops: edges [2, E], a transposed
                adjacency matrix in ``torch.sparse_csr`` layout [N, N], or a `Propagation`.
            edge_weight: Normalised weights [E] when ``edge_index`` is a list of edges.

        Returns:
            The new state [N, out_channels].

        Raises:
            ValueError: If the states do not have one shape [N, in_channels].
        """
        fused = self.mix(x, peers, h)
        if self.aggregates_first:
            out = self.lin(self._aggregate(fused, edge_index, edge_weight))
        else:
            out = self._aggregate(self.lin(fused), edge_index, edge_weight)
        result: Tensor = out if self.bias is None else out + self.bias
        return result

    def mix(self, x: Tensor, peers: Sequence[Tensor], h: Tensor) -> Tensor:
        """The fused state of Eq. 15-16, [N, in_channels]; arguments as in `forward`."""
        for state in (x, *peers, h):
            if state.shape != x.shape or state.size(-1) != self.in_channels:
                raise ValueError(
                    f"'x', 'peers' and 'h' must all be [N, {self.in_channels}] "
                    f"(got {[tuple(s.shape) for s in (x, *peers, h)]})"
                )
        own, peer, autoencoder = self.coefficients(len(peers))
        fused = torch.add(own * x, h.to(x.dtype), alpha=autoencoder)
        for state in peers:
            fused = torch.add(fused, state, alpha=peer)
        return fused

    @property
    def aggregates_first(self) -> bool:
        """Whether to propagate before the linear map: A(GW) = (AG)W, so where it is narrower."""
        return bool(self.in_channels < self.out_channels)

    def coefficients(self, num_peers: int) -> FusionCoefficients:
        """Weights of the stream itself, of each of its peers, and of the auto-encoder."""
        if num_peers == 0:
            return FusionCoefficients(self.sigma, 0.0, self.autoencoder_weight + self.gamma)
        return FusionCoefficients(self.sigma, self.gamma / num_peers, self.autoencoder_weight)

    def _aggregate(
        self, x: Tensor, edge_index: Tensor | Propagation, edge_weight: Tensor | None
    ) -> Tensor:
        if isinstance(edge_index, Propagation):
            return propagate(edge_index, x)
        out: Tensor = self.propagate(edge_index, x=x, edge_weight=edge_weight)
        return out

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"sigma={self.sigma}, gamma={self.gamma}, "
            f"autoencoder_weight={self.autoencoder_weight:g})"
        )
