"""The tables of a finished run that say how good its clusters are. They need no labels."""

from typing import Any

from iciclegcn.evaluation.near_duplicates import find_near_duplicates
from iciclegcn.evaluation.outliers import find_outliers
from iciclegcn.evaluation.per_cluster import cluster_table
from iciclegcn.run_folder.folder import RunFolder


def write_quality_tables(folder: RunFolder) -> dict[str, Any]:
    """Write ``clusters.csv``, ``outliers.csv`` and ``near_duplicates.csv``.

    Args:
        folder: Of a run whose clusters and neighbours are there.

    Returns:
        How many were listed, ready for JSON.
    """
    artefacts, metric = folder.artefacts, folder.config.graph.metric
    given = artefacts.read_assignments()
    neighbors = artefacts.read_arrays("neighbors")
    indices, squared_distances = neighbors["indices"], neighbors["squared_distances"]
    num_clusters = artefacts.read_arrays("assignments_soft")["output"].shape[1]
    x = artefacts.read_array("features", mapped=True)
    artefacts.write_clusters(
        cluster_table(
            x, squared_distances, given.clusters, given.confidences, num_clusters, metric=metric
        )
    )
    outliers = find_outliers(indices, squared_distances)
    artefacts.write_outliers(outliers, given)
    copies = find_near_duplicates(indices, squared_distances)
    artefacts.write_near_duplicates(copies, given.paths)
    return {
        "outliers": len(outliers.indices),
        "near_duplicates": len(copies.indices),
        "near_duplicate_groups": int(copies.groups.max(initial=-1)) + 1,
    }
