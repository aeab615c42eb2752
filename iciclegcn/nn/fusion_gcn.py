"""Several graph streams over the same nodes, fused layer by layer with an auto-encoder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.typing import Adj

from iciclegcn.nn.fusion_gcn_conv import FusionGCNConv
from iciclegcn.nn.mix_streams import mix_streams
from iciclegcn.nn.propagate import Propagation, propagate_each

# A graph as PyTorch Geometric has it, or one prepared; edges with weights are a pair.
Graph: TypeAlias = Adj | Propagation | tuple[Tensor, Tensor | None]


class FusionGCN(nn.Module):
    """S streams of `FusionGCNConv`, one a graph, with a ReLU after every layer but the last.

    The first layer of a stream sees its features alone; every later one also the other streams
    and the auto-encoder's state of the same depth.

    Graphs that `prepare_propagation` has prepared take a path with less memory and fewer steps
    when there are an auto-encoder and no biases; the results are the same.

    Args:
        widths: Width of the features, of every hidden layer and of the output.
        num_streams: Number of graphs S.
        sigma: Weight of a stream's own state in the fusion.
        gamma: Weight of the mean of the other streams; without others it goes to the
            auto-encoder.
        autoencoder_weight: Weight of the auto-encoder's state; None: 1 - sigma - gamma.
        shared_weights: One set of layers for all streams.
        normalize: Add self-loops to every graph and normalise it symmetrically, as ``GCNConv``
            does, once a forward pass. A `Propagation` is taken as it is.
        bias: Add a learned bias in every layer.

    Raises:
        ValueError: If there are fewer than two widths, or ``num_streams`` is below 1.

    Source:
        IcicleGCN (Xu et al., 2024), Section 3.4, Eq. 14-18.
    """

    def __init__(
        self,
        widths: Sequence[int],
        num_streams: int = 2,
        sigma: float = 0.4,
        gamma: float = 0.2,
        autoencoder_weight: float | None = None,
        *,
        shared_weights: bool = False,
        normalize: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"'widths' must name two widths or more (got {list(widths)})")
        if num_streams < 1:
            raise ValueError(f"'num_streams' must be at least 1 (got {num_streams})")
        self.widths = tuple(widths)
        self.num_streams = num_streams
        self.normalize = normalize
        self.bias = bias
        fusion = (sigma, gamma, autoencoder_weight)

        def stream() -> nn.ModuleList:
            return nn.ModuleList(
                FusionGCNConv(
                    c_in,
                    c_out,
                    *(fusion if depth else (1.0, 0.0)),  # the first has nothing to fuse
                    normalize=False,  # here, once for all layers
                    bias=bias,
                )
                for depth, (c_in, c_out) in enumerate(pairwise(widths))
            )

        self.layers = nn.ModuleList(stream() for _ in range(1 if shared_weights else num_streams))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for u in range(len(self.layers)):
            for conv in self.stream_layers(u):
                conv.reset_parameters()

    def stream_layers(self, stream: int) -> list[FusionGCNConv]:
        """The layers of one stream; the same ones for every stream if weights are shared."""
        layers = self.layers[stream % len(self.layers)]
        return cast(list[FusionGCNConv], list(layers.children()))

    def init_from_linear(self, linears: Sequence[nn.Linear], last_scale: float = 1.0) -> None:
        """Give every stream the weights of linear layers of the same shapes, biases left out.

        Args:
            linears: One linear layer for each layer of a stream but the last.
            last_scale: The last layer becomes this times the identity.

        Raises:
            ValueError: If the number of linear layers does not fit.
        """
        with torch.no_grad():
            for u in range(len(self.layers)):
                *convs, last = self.stream_layers(u)
                for conv, linear in zip(convs, linears, strict=True):
                    conv.lin.weight.copy_(linear.weight)
                nn.init.eye_(last.lin.weight).mul_(last_scale)

    def forward(
        self,
        x: Tensor | Sequence[Tensor],
        graphs: Sequence[Graph],
        hidden: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        """Run all streams.

        Args:
            x: Features [N, widths[0]] of all streams, or a sequence of one for each.
            graphs: One graph for each stream: anything that `FusionGCNConv` takes, or a pair
                of edges [2, E] and weights [E].
            hidden: The auto-encoder's state after each of its layers, ``hidden[i]``
                [N, widths[i + 1]], one for each layer of a stream but the last; None: there is
                no auto-encoder.

        Returns:
            The state of every stream after its last layer [N, widths[-1]], without activation.

        Raises:
            ValueError: If the number of graphs, features or hidden states does not fit, if
                their shapes do not, or if ``hidden`` is missing and has a weight.
        """
        states = [x] * self.num_streams if isinstance(x, Tensor) else list(x)
        self._require_one_each("x", states)
        self._require_one_each("graphs", graphs)
        prepared = [graph for graph in graphs if isinstance(graph, Propagation)]
        if len(prepared) < len(graphs) or hidden is None or self.bias:
            return self._run_layer_by_layer(states, graphs, hidden)
        first = [self.stream_layers(u)[0] for u in range(self.num_streams)]
        if first[0].aggregates_first:
            return self.run_propagated(propagate_each(prepared, states), prepared, hidden)
        mapped = [conv.lin(state) for conv, state in zip(first, states, strict=True)]
        return self._run_prepared(propagate_each(prepared, mapped), None, prepared, hidden)

    def run_propagated(
        self, propagated: Sequence[Tensor], graphs: Sequence[Propagation], hidden: Sequence[Tensor]
    ) -> list[Tensor]:
        """`forward` where A·x of every graph is known already; for a network without biases.

        Args:
            propagated: A·x of every graph [N, widths[0]].
            graphs: One prepared, normalised graph for each stream.
            hidden: As in `forward`.

        Returns:
            As `forward`.

        Raises:
            ValueError: If the network has biases, or a number does not fit.
        """
        if self.bias:
            raise ValueError("'run_propagated' is for a network without biases; call forward")
        self._require_one_each("propagated", propagated)
        self._require_one_each("graphs", graphs)
        before = [self.stream_layers(u)[0].lin.weight for u in range(self.num_streams)]
        return self._run_prepared(list(propagated), before, graphs, hidden)

    def _run_prepared(
        self,
        g: list[Tensor],
        before: list[Tensor] | None,
        graphs: Sequence[Propagation],
        hidden: Sequence[Tensor],
    ) -> list[Tensor]:
        """All streams after the first propagation; ``before`` is the linear map still to do."""
        self._require_depth(hidden)
        for convs, h in zip(self._depths()[1:], hidden, strict=True):  # Eq. 15-17
            weights = [conv.lin.weight for conv in convs]
            coefficients = convs[0].coefficients(self.num_streams - 1)
            after = None if convs[0].aggregates_first else weights
            g = propagate_each(graphs, mix_streams(coefficients, g, h, before, after))
            before = weights if convs[0].aggregates_first else None
        return [F.linear(g[u], before[u]) if before else g[u] for u in range(self.num_streams)]

    def _run_layer_by_layer(
        self, g: list[Tensor], graphs: Sequence[Graph], hidden: Sequence[Tensor] | None
    ) -> list[Tensor]:
        if hidden is not None:
            self._require_depth(hidden)
        edges = [self._normalized(graph, state) for graph, state in zip(graphs, g, strict=True)]
        first, *later = self._depths()
        g = [conv(g[u], *edges[u]) for u, conv in enumerate(first)]  # Eq. 18
        for depth, convs in enumerate(later):  # Eq. 15-17
            g = [state.relu() for state in g]
            h = None if hidden is None else hidden[depth]
            g = [
                conv(g[u], *edges[u], peers=[*g[:u], *g[u + 1 :]], h=h)
                for u, conv in enumerate(convs)
            ]
        return g

    def _depths(self) -> list[tuple[FusionGCNConv, ...]]:
        """The layers of all streams, depth by depth."""
        return list(zip(*map(self.stream_layers, range(self.num_streams)), strict=True))

    def _normalized(self, graph: Graph, x: Tensor) -> tuple[Adj | Propagation, Tensor | None]:
        if isinstance(graph, Propagation):
            return graph, None
        edge_index, edge_weight = graph if isinstance(graph, tuple) else (graph, None)
        if not self.normalize:
            return edge_index, edge_weight
        normalized = gcn_norm(edge_index, edge_weight, x.size(-2), dtype=x.dtype)
        return normalized if isinstance(normalized, tuple) else (normalized, None)

    def _require_one_each(self, name: str, given: Sequence[object]) -> None:
        if len(given) != self.num_streams:
            raise ValueError(
                f"'{name}' must hold one for each of {self.num_streams} streams (got {len(given)})"
            )

    def _require_depth(self, hidden: Sequence[Tensor]) -> None:
        if [h.size(-1) for h in hidden] != list(self.widths[1:-1]):
            raise ValueError(
                f"'hidden' must hold states of widths {list(self.widths[1:-1])} "
                f"(got {[h.size(-1) for h in hidden]})"
            )
