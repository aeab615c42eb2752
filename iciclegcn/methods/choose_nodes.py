"""Whether a step of stage 2 sees all nodes or some cells of them: decided once, and told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphs import ScaleGraph
from graphs.partition import feature_cells, metis_cells, metis_is_installed
from iciclegcn.config import MGCNConfig
from iciclegcn.errors import UserError
from iciclegcn.methods.cell_batches import CellBatches
from iciclegcn.methods.disk_rows import mapped_rows
from iciclegcn.methods.memory import budget_bytes, step_bytes
from iciclegcn.methods.training_nodes import TrainingNodes, largest
from iciclegcn.methods.whole_graph import WholeGraph
from iciclegcn.monitor import StageMonitor
from iciclegcn.runtime import Runtime

Features = Tensor | NDArray[np.floating] | Path


def choose_nodes(
    x: Features,
    graphs: Sequence[ScaleGraph],
    widths: Sequence[int],
    options: MGCNConfig,
    runtime: Runtime,
    monitor: StageMonitor,
    *,
    state: dict[str, Any] | None,
    folder: Path | None,
) -> tuple[TrainingNodes, float]:
    """The nodes of every step, by ``mgcn.partition`` and the memory that is there.

    Args:
        x: Features [N, D]; an array may be memory-mapped, a path names a ``.npy`` file.
        graphs: One normalised graph a scale.
        widths: Widths of the auto-encoder: D, the hidden ones and K.
        options: Partition and budget.
        runtime: Seed, device and precision.
        monitor: Told when the graph is cut because it does not fit.
        state: What an interrupted training saved; it decides again as it did then.
        folder: For files of features; None: the system's temporary folder.

    Returns:
        The nodes, and the GiB that a step is expected to take.

    Raises:
        UserError: If METIS is asked for and pymetis is not installed.
    """
    rows = _array(x)
    edges = [graph.edge_index.size(1) for graph in graphs]
    entry_bytes = runtime.compute_dtype.itemsize
    whole = step_bytes(len(rows), edges, widths, entry_bytes)
    cells = _cells(rows, graphs, options, runtime, whole) if state is None else _saved(state)
    if cells is None:
        tensor = x.detach() if isinstance(x, Tensor) else torch.from_numpy(np.array(rows))
        return WholeGraph(tensor, graphs, options, runtime), whole / 2**30
    share = min(1.0, options.cells_per_step / (int(cells.max()) + 1))
    inside = [int(share * count) for count in edges]  # at most: most edges stay within a cell
    step = step_bytes(int(share * len(rows)), inside, widths, entry_bytes)
    if state is None and options.partition == "auto":
        monitor.warn(_told(cells, whole, step, options, runtime))
    return CellBatches(rows, graphs, cells, options, runtime, folder), step / 2**30


def _array(x: Features) -> NDArray[np.floating]:
    if isinstance(x, Path):
        return mapped_rows(x)
    if isinstance(x, Tensor):
        rows: NDArray[np.floating] = x.detach().to("cpu", torch.float32).numpy()
        return rows
    return x


def _saved(state: dict[str, Any]) -> NDArray[np.integer] | None:
    cells = state.get("cells")
    return None if cells is None else np.asarray(cells.numpy())


def _cells(
    x: NDArray[np.floating],
    graphs: Sequence[ScaleGraph],
    options: MGCNConfig,
    runtime: Runtime,
    whole: int,
) -> NDArray[np.integer] | None:
    """The cell of every node, or None where every step sees all nodes."""
    kind, seed = options.partition, runtime.numpy_seed("mgcn", "partition")
    if kind == "auto":
        if whole <= budget_bytes(options, runtime.device):
            return None
        kind = "metis" if metis_is_installed() else "cells"
    if kind == "none":
        return None
    if kind == "cells":
        return feature_cells(x, options.cell_size, seed=seed)
    try:
        edges = graphs[largest(graphs)].edge_index.cpu()
        return metis_cells(edges, len(x), options.cell_size, seed=seed)
    except ImportError as error:
        raise UserError(f"'mgcn.partition' metis: {error}; or use cells") from error


def _told(
    cells: NDArray[np.integer], whole: int, step: int, options: MGCNConfig, runtime: Runtime
) -> str:
    budget = budget_bytes(options, runtime.device)
    count = int(cells.max()) + 1
    message = (
        f"all {len(cells):,} nodes at once would take about {whole / 2**30:.1f} GiB and "
        f"'mgcn.memory_gib' allows {budget / 2**30:.1f}: each step trains on "
        f"{min(count, options.cells_per_step)} of {count} cells, about {step / 2**30:.1f} GiB; "
        "the final assignments use every edge"
    )
    if not metis_is_installed():
        message += "; cells are groups of features, 'pip install pymetis' cuts fewer edges"
    if step > budget:
        message += "; that is still more, lower 'mgcn.cells_per_step'"
    return message
