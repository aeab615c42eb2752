"""Sizes and confidence of the clusters, as charts and as a table."""

from collections.abc import Mapping, Sequence

import numpy as np

from iciclegcn.errors import UserError
from iciclegcn.report.cluster_charts import confidence_chart, size_chart
from iciclegcn.report.contents import Contents
from iciclegcn.report.html import details, figure, section, table
from iciclegcn.report.part import Part
from iciclegcn.report.selection import Certainty


def sizes_part(contents: Contents, sure: Certainty, classes: Sequence[str] | None) -> Part:
    """How large the clusters are and how sure the run is of them.

    Args:
        contents: The run.
        sure: As `iciclegcn.report.selection.certainty` gives it.
        classes: What the truth says of each cluster; None: no truth.
    """
    clusters, num_clusters = contents.clusters, contents.num_clusters
    sizes = np.bincount(clusters[clusters >= 0], minlength=num_clusters).tolist()
    means = [
        float(sure.confidence[clusters == cluster].mean()) if sizes[cluster] else None
        for cluster in range(num_clusters)
    ]
    figures = (
        size_chart(sizes, means, contents.noun),
        confidence_chart(sure.confidence[clusters >= 0], contents.noun),
    )
    more = _more(contents)
    header = ["cluster", "size", "share", "mean confidence"]
    header += ["density", "nearest cluster"] if more else []
    header += ["truth"] if classes else []
    rows = []
    for cluster, (size, mean) in enumerate(zip(sizes, means, strict=True)):
        share = f"{size / max(len(clusters), 1):.1%}"
        row = [str(cluster), f"{size:,}", share, "" if mean is None else f"{mean:.3f}"]
        row += more.get(cluster, ["", ""]) if more else []
        rows.append(row + ([classes[cluster]] if classes else []))
    html = section(
        "sizes",
        "Sizes and confidence",
        "",
        f"<div class='figures'>{''.join(map(figure, figures))}</div>",
        details("All clusters as a table", table(header, rows, "Clusters")),
    )
    return Part("sizes", "Sizes", html, figures)


def _more(contents: Contents) -> Mapping[int, list[str]]:
    """Density and nearest cluster from ``clusters.csv``; early runs have none."""
    try:
        known = contents.artefacts.read_clusters()
    except UserError:
        return {}
    pairs = zip(known.densities, known.nearest, strict=True)
    return {
        cluster: ["" if np.isnan(density) else f"{density:.2f}", "" if other < 0 else str(other)]
        for cluster, (density, other) in enumerate(pairs)
    }
