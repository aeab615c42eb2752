"""The part of a graph that lies inside some of its nodes, as a graph of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from iciclegcn.nn.propagate import Propagation, SparseRows

_OUTSIDE = -1


class InducedSubgraphs:
    """Takes subgraphs out of graphs whose nodes are sorted so that each cell is a run of nodes.

    An edge keeps the weight that it has in the whole graph: normalisation is global, and a node
    whose neighbours are mostly elsewhere hears little of the graph in this step, as it should.

    Args:
        graphs: Graphs over the same N nodes, on the CPU.
    """

    def __init__(self, graphs: Sequence[Propagation]) -> None:
        self._graphs = graphs
        self._local = torch.full((graphs[0].num_nodes,), _OUTSIDE, dtype=torch.int32)

    def __call__(self, spans: Sequence[slice]) -> list[Propagation]:
        """The subgraph of every graph.

        Args:
            spans: Runs of nodes, ascending and disjoint.

        Returns:
            For each graph the edges between these nodes, which are numbered 0, 1, ... in order.
        """
        count = 0
        for span in spans:
            size = span.stop - span.start
            self._local[span] = torch.arange(count, count + size, dtype=torch.int32)
            count += size
        try:
            return [self._induced(graph, spans) for graph in self._graphs]
        finally:
            for span in spans:
                self._local[span] = _OUTSIDE

    def _induced(self, graph: Propagation, spans: Sequence[slice]) -> Propagation:
        rows = _induced_rows(graph.rows, spans, self._local)
        if graph.transposed is graph.rows:
            return Propagation(rows, rows)
        return Propagation(rows, _induced_rows(graph.transposed, spans, self._local))


def _induced_rows(rows: SparseRows, spans: Sequence[slice], local: Tensor) -> SparseRows:
    degrees, cols, weights = [], [], []
    for span in spans:
        starts = rows.rowptr[span.start : span.stop + 1].long()
        edges = slice(int(starts[0]), int(starts[-1]))
        col = local[rows.col[edges].long()]
        inside = col != _OUTSIDE
        before = torch.cat([inside.new_zeros(1, dtype=torch.long), inside.cumsum(0)])
        degrees.append(before[starts - starts[0]].diff())
        cols.append(col[inside])
        weights.append(rows.weight[edges][inside])
    degree = torch.cat(degrees)
    rowptr = torch.cat([degree.new_zeros(1), degree.cumsum(0)])
    return SparseRows(rowptr.to(torch.int32), torch.cat(cols), torch.cat(weights))
