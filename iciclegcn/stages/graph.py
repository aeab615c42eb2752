"""The stage that every method has alike: features to neighbours."""

from graphs import NeighborIndex, Neighbors, graph_summary, scale_graphs
from iciclegcn.distributed.ranks import current_ranks
from iciclegcn.methods.search_warnings import telling
from iciclegcn.methods.sharded_knn import sharded_neighbors
from iciclegcn.progress import Reporter
from iciclegcn.run_folder.folder import RunFolder
from iciclegcn.stages.parts import user_errors
from iciclegcn.stages.rank_tasks import index_folder, join_search


def graph_stage(folder: RunFolder, reporter: Reporter) -> None:
    """Features to ``neighbors.npz``, one search at the largest k, and ``graph.json``."""
    options = folder.config.graph
    artefacts = folder.artefacts
    with folder.stage("graph", reporter) as monitor, telling(monitor), user_errors():
        indices, squared_distances, report = _neighbors(folder)
        artefacts.write_arrays(
            "neighbors", {"indices": indices, "squared_distances": squared_distances}
        )
        neighbors = Neighbors(indices, squared_distances)
        # Edges alone, one scale at a time: weights are for training.
        summaries = [
            graph_summary(
                scale_graphs(neighbors, (k,), symmetrize=options.symmetrize)[0].edge_index,
                len(indices),
            )
            for k in options.k
        ]
        scales = [
            {"k": k, **summary._asdict()} for k, summary in zip(options.k, summaries, strict=True)
        ]
        search = None if report is None else report._asdict()
        artefacts.write_graph({"search": search, "scales": scales})
        monitor.note(str(report))
        for k, summary in zip(options.k, summaries, strict=True):
            monitor.note(f"k = {k}: {summary}")


def _neighbors(folder: RunFolder) -> Neighbors:
    """The neighbours at the largest k, searched for by all ranks."""
    options, ranks = folder.config.graph, current_ranks()
    x, k = folder.artefacts.read_array("features", mapped=True), max(options.k)
    index = NeighborIndex.build(
        x,
        k,
        metric=options.metric,
        index=options.index,
        memory_gib=options.memory_gib,
        target_recall=options.target_recall,
        seed=folder.config.seed,
    )
    run = folder.path.resolve()
    if ranks.size > 1 or index.report.kind != "exact":  # an exact one is made again in no time
        index.save(index_folder(run))
    if ranks.size == 1:
        return index.neighbors()
    ranks.summon(join_search, run, k)
    return sharded_neighbors(index, x, k, ranks)
