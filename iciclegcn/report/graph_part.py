"""The graphs of the run, scale by scale."""

import numpy as np

from graphs import Neighbors, connected_components, scale_graphs
from iciclegcn.report.contents import Contents
from iciclegcn.report.graph_charts import Scale, degree_chart, degree_table
from iciclegcn.report.html import figure, section, table, text
from iciclegcn.report.part import Part

_HEADER = ("k", "edges", "neighbours, mean", "range", "components", "isolated")


def graph_part(contents: Contents) -> Part:
    """A table of the scales, and how many neighbours nodes have at each."""
    scales = read_scales(contents)
    figures = tuple(degree_chart(scale, contents.noun) for scale in scales)
    rows = degree_table(scales)
    header = [*_HEADER]
    if any(scale.homophily is not None for scale in scales):
        header.append("edges within a class")
    else:
        rows = [row[:-1] for row in rows]
    html = section(
        "graphs",
        "Graphs",
        text(_intro(contents)),
        table(header, rows, "Graphs by scale"),
        f"<div class='figures small'>{''.join(map(figure, figures))}</div>",
    )
    return Part("graphs", "Graphs", html, figures)


def read_scales(contents: Contents) -> list[Scale]:
    """Degrees and components of every graph of the run, self-loops not counted."""
    homophily = contents.metrics.get("homophily") or [None] * len(contents.config.graph.k)
    options, arrays = contents.config.graph, contents.artefacts.read_arrays("neighbors")
    neighbors = Neighbors(arrays["indices"], arrays["squared_distances"])
    scales = []
    for k, share in zip(options.k, homophily, strict=True):  # one at a time: they can be large
        graph = scale_graphs(neighbors, (k,), symmetrize=options.symmetrize)[0]
        edges = graph.edge_index[:, graph.edge_index[0] != graph.edge_index[1]]
        degrees = np.bincount(edges[0].numpy(), minlength=contents.num_items)
        components = int(connected_components(edges, contents.num_items).max()) + 1
        isolated = int((degrees == 0).sum())
        scales.append(Scale(k, degrees, edges.shape[1] // 2, isolated, components, share))
    return scales


def _intro(contents: Contents) -> str:
    kind = contents.config.graph.symmetrize
    intro = (
        f"Each of the {contents.noun} is joined to its nearest neighbours by their features, at "
        f"every scale k; an edge stands where {'either' if kind == 'union' else 'each'} of two "
        "chose the other."
    )
    search = (contents.graph or {}).get("search") or {}
    if search.get("kind") == "exact":
        return f"{intro} The neighbours are exact."
    if search:
        return f"{intro} The search ({search['kind']}) finds {search['recall']:.1%} of them."
    return intro
