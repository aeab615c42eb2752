"""The graph convolution that mixes several streams with an auto-encoder before it propagates."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.typing import Adj
from torch_geometric.utils import is_torch_sparse_tensor

from iciclegcn.nn.propagate import Propagation, propagate
from iciclegcn.nn.stream_blocks import FusionCoefficients

_LINEAR_AGGREGATIONS = ("add", "sum", "mean")  # only these commute with the transform


class FusionGCNConv(GCNConv):  # type: ignore[misc]
    r"""Graph convolution over the weighted sum of a stream, its peers and an auto-encoder state.

    .. math::
        \tilde{G}_u = \sigma G_u + \gamma \, \mathrm{mean}_{v \ne u} G_v + \rho H, \qquad
        G_u' = \hat{A}_u \tilde{G}_u W_u + b_u

    It takes a graph as `torch_geometric.nn.GCNConv` does, normalises it the same way, and with
    :math:`\sigma = 1` and :math:`\gamma = 0` it is that layer. The activation is the caller's.

    Without peers their weight goes to H, without H too to the stream itself. The narrower of
    input and output is propagated; the result is the same.

    Args:
        in_channels: Width of every input state; -1: that of the first one seen.
        out_channels: Width of the output.
        sigma: Weight of the stream's own state.
        gamma: Weight of the mean of the peers.
        autoencoder_weight: Weight :math:`\rho` of the auto-encoder's state; None: the rest,
            1 - sigma - gamma. The published code uses .5, .2, .5, which sum to 1.2.
        normalize: Add self-loops and normalise symmetrically, as in ``GCNConv`` (there, too, a
            sparse matrix that has self-loops already gets them again). A `Propagation` is taken
            as it is.
        add_self_loops: Whether normalising adds self-loops; None: it does.
        improved: Self-loops of weight 2.
        cached: Normalise the first graph seen and keep it.
        bias: Add a learned bias to the output.
        **kwargs: Those of `torch_geometric.nn.conv.MessagePassing`.

    Raises:
        ValueError: If ``add_self_loops`` is asked for without ``normalize``.

    Source:
        IcicleGCN (Xu et al., 2024), Eq. 14-17.
    """

    _cached_edge_index: tuple[Tensor, Tensor | None] | None
    _cached_adj_t: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        sigma: float = 0.4,
        gamma: float = 0.2,
        autoencoder_weight: float | None = None,
        *,
        normalize: bool = True,
        add_self_loops: bool | None = None,
        improved: bool = False,
        cached: bool = False,
        bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels, out_channels, improved, cached, add_self_loops, normalize, bias, **kwargs
        )
        self.sigma = sigma
        self.gamma = gamma
        if autoencoder_weight is None:
            # 1 - .8 - .2 is not 0 in floating point.
            complete = math.isclose(sigma + gamma, 1.0)
            autoencoder_weight = 0.0 if complete else 1.0 - sigma - gamma
        self.autoencoder_weight = autoencoder_weight

    def forward(
        self,
        x: Tensor,
        edge_index: Adj | Propagation,
        edge_weight: Tensor | None = None,
        peers: Tensor | Sequence[Tensor] = (),
        h: Tensor | None = None,
    ) -> Tensor:
        """Fuse, propagate and transform.

        Args:
            x: The stream's own state G_u [N, in_channels]; leading dimensions are a batch of
                states on one graph.
            edge_index: The graph: edges [2, E], an ``EdgeIndex``, a transposed adjacency matrix
                [N, N] (``torch.sparse_csr`` or a ``torch_sparse.SparseTensor``), or a prepared
                `Propagation`.
            edge_weight: Weights [E] of a list of edges; None: 1.
            peers: The state of the other stream, or a sequence of those of all others; shaped
                as ``x``.
            h: The auto-encoder's state of the same depth, shaped as ``x``; None: there is none.

        Returns:
            The new state [N, out_channels].

        Raises:
            ValueError: If the states differ in shape, or ``h`` is missing and has a weight.
        """
        fused = self.mix(x, peers, h)
        graph, weight = self._normalized(edge_index, edge_weight, fused)
        if self.aggregates_first and fused.layout == torch.strided:
            out = self.lin(self._aggregate(fused, graph, weight))
        else:
            out = self._aggregate(self.lin(fused), graph, weight)
        result: Tensor = out if self.bias is None else out + self.bias
        return result

    def mix(
        self, x: Tensor, peers: Tensor | Sequence[Tensor] = (), h: Tensor | None = None
    ) -> Tensor:
        """The fused state of Eq. 15-16, shaped as ``x``; arguments and errors as in `forward`."""
        others = [peers] if isinstance(peers, Tensor) else list(peers)
        self._require_one_shape(x, *others, *([] if h is None else [h]))
        if h is None and self.autoencoder_weight:
            raise ValueError(
                f"'h' has the weight {self.autoencoder_weight:g} but was not given; pass it, or "
                "build the layer with autoencoder_weight=0 or with sigma + gamma = 1"
            )
        own, peer, autoencoder = self.coefficients(len(others), with_h=h is not None)
        fused = x if own == 1 else own * x
        if h is not None and autoencoder:
            fused = torch.add(fused, h.to(x.dtype), alpha=autoencoder)
        for state in others if peer else ():
            fused = torch.add(fused, state.to(x.dtype), alpha=peer)
        return fused

    @property
    def aggregates_first(self) -> bool:
        """Whether to propagate before the linear map: A(GW) = (AG)W, so where it is narrower."""
        narrower = 0 < self.lin.in_channels < self.out_channels
        # Hooks and explainers see the messages of GCNConv: states after the linear map.
        watched = self.explain or self._message_forward_pre_hooks or self._message_forward_hooks
        return bool(narrower and self.aggr in _LINEAR_AGGREGATIONS and not watched)

    def coefficients(self, num_peers: int, *, with_h: bool = True) -> FusionCoefficients:
        """Weights of the stream itself, of each of its peers, and of the auto-encoder."""
        if num_peers:
            return FusionCoefficients(self.sigma, self.gamma / num_peers, self.autoencoder_weight)
        if with_h:
            return FusionCoefficients(self.sigma, 0.0, self.autoencoder_weight + self.gamma)
        return FusionCoefficients(self.sigma + self.gamma, 0.0, 0.0)

    def _require_one_shape(self, x: Tensor, *states: Tensor) -> None:
        if not isinstance(x, Tensor):
            raise ValueError(
                f"'x' must be one tensor: the layer is not for bipartite graphs (got {type(x)})"
            )
        width = self.lin.in_channels if self.lin.in_channels > 0 else x.size(-1)
        if x.size(-1) != width or any(state.shape != x.shape for state in states):
            raise ValueError(
                f"'x', 'peers' and 'h' must all be [N, {width}] "
                f"(got {[tuple(state.shape) for state in (x, *states)]})"
            )

    def _normalized(
        self, graph: Adj | Propagation, edge_weight: Tensor | None, x: Tensor
    ) -> tuple[Adj | Propagation, Tensor | None]:
        if not self.normalize or isinstance(graph, Propagation):
            return graph, edge_weight
        # GCNConv's own two caches, so that its methods reset them.
        kept = self._cached_edge_index if isinstance(graph, Tensor) else self._cached_adj_t
        if kept is None:
            size = x.size(self.node_dim)
            kept = gcn_norm(
                graph, edge_weight, size, self.improved, self.add_self_loops, self.flow, x.dtype
            )
            if self.cached and isinstance(graph, Tensor):
                self._cached_edge_index = kept
            elif self.cached:
                self._cached_adj_t = kept
        return kept if isinstance(kept, tuple) else (kept, None)

    def _aggregate(self, x: Tensor, graph: Adj | Propagation, edge_weight: Tensor | None) -> Tensor:
        if isinstance(graph, Propagation):
            return propagate(graph, x)
        if not is_torch_sparse_tensor(graph):
            out: Tensor = self.propagate(graph, x=x, edge_weight=edge_weight)
            return out
        # As with a list of edges the result has the wider dtype of the two, and autocast has no
        # say: torch's sparse products take one dtype, and none below fp32 on the CPU.
        dtype = torch.promote_types(graph.dtype, x.dtype)
        inner = torch.promote_types(dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            out = self.propagate(graph.to(inner), x=x.to(inner), edge_weight=None)
        return out.to(dtype)

    def __prepare_scriptable__(self) -> GCNConv:
        """What ``torch.jit.script`` compiles: the ``GCNConv`` that a layer without fusion is."""
        if (self.sigma, self.gamma, self.autoencoder_weight) != (1, 0, 0):
            raise NotImplementedError(
                f"{self} cannot become TorchScript, only a layer with sigma=1 and gamma=0 can; "
                "use torch.compile"
            )
        with torch.device("meta"):  # its own weights are never used, and none are drawn
            plain = GCNConv(
                *(self.in_channels, self.out_channels, self.improved, self.cached),
                *(self.add_self_loops, self.normalize),
                **{"aggr": self.aggr, "flow": self.flow, "node_dim": self.node_dim},
            )
        plain.lin, plain.bias = self.lin, self.bias
        return plain

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"sigma={self.sigma}, gamma={self.gamma}, "
            f"autoencoder_weight={self.autoencoder_weight:g})"
        )
