"""Everything a report shows, read from a run folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from iciclegcn.config import Config
from iciclegcn.data.cache import load_or_build_cache
from iciclegcn.data.labels import Labels
from iciclegcn.data.sources import open_source
from iciclegcn.errors import UserError
from iciclegcn.monitor import NullMonitor, StageMonitor
from iciclegcn.results.truth import read_truth
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.base import BaseRun, open_base
from iciclegcn.run_folder.manifest import DONE, Manifest

Row = dict[str, Any]


@dataclass(frozen=True)
class Contents:
    """A finished run in memory; row = image index everywhere.

    Attributes:
        path: The run folder.
        config: The run's configuration.
        manifest: Versions, data and the stages' states.
        metrics: What ``metrics.json`` holds.
        graph: What ``graph.json`` holds; None: an early run without one.
        history: Loss terms by step, in order.
        paths: What names each image.
        clusters: int64 [N]; -1: left unassigned.
        soft: Soft assignments [N, K] that the clusters come from.
        x: Features [N, D], mapped.
        images: Decoded images uint8 [N, C, S, S], mapped; None: not there.
        truth: The labels that the run was evaluated with; None: there are none.
        notes: What is missing from the report and why, for its reader.
    """

    path: Path
    config: Config
    manifest: Manifest
    metrics: Mapping[str, Any]
    graph: Mapping[str, Any] | None
    history: list[Row]
    paths: list[str]
    clusters: npt.NDArray[np.int64]
    soft: npt.NDArray[np.floating]
    x: npt.NDArray[np.floating]
    images: npt.NDArray[np.uint8] | None
    truth: Labels | None
    notes: tuple[str, ...]

    @property
    def num_items(self) -> int:
        """N."""
        return len(self.clusters)

    @property
    def num_clusters(self) -> int:
        """K."""
        return int(self.soft.shape[1])

    @property
    def num_unassigned(self) -> int:
        """Items without a cluster."""
        return int((self.clusters < 0).sum())

    @property
    def noun(self) -> str:
        """What the items are called: ``images`` or ``rows``."""
        return self.config.data.noun

    @property
    def artefacts(self) -> RunArtefacts:
        """The run's results on the disk."""
        return RunArtefacts(self.path)


def read_contents(path: Path, monitor: StageMonitor | None = None) -> Contents:
    """Read a finished run; the folder is not changed.

    Args:
        path: The run folder.
        monitor: Told of the progress where the images must be decoded again.

    Raises:
        UserError: If the run has no clusters, or no figures of those that it has, or a file is
            damaged.
    """
    run = open_base(path)
    artefacts = run.artefacts
    # Early runs have fewer files beside it; what lies there of a stage due again is out of date.
    if run.manifest.state("evaluate") != DONE or not (path / "metrics.json").is_file():
        raise UserError(
            f"the run in '{path}' has not been evaluated yet; run 'iciclegcn evaluate --out "
            f"{path}' first"
        )
    metrics = artefacts.read_metrics()
    assignments = artefacts.read_assignments()
    notes: list[str] = []
    return Contents(
        path=path,
        config=run.config,
        manifest=run.manifest,
        metrics=metrics,
        graph=artefacts.read_graph() if (path / "graph.json").is_file() else None,
        history=_history(path / "history.jsonl"),
        paths=assignments.paths,
        clusters=assignments.clusters,
        soft=artefacts.read_arrays("assignments_soft", "output")["output"],
        x=artefacts.read_array("features", mapped=True),
        images=_images(run, notes, monitor or NullMonitor()),
        truth=_truth(run, notes) if metrics.get("heads") else None,
        notes=tuple(notes),
    )


def _history(file: Path) -> list[Row]:
    """Every whole row; a run's last one may be half written when a machine dies."""
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"stage", "step"} <= row.keys():
            rows.append(row)
    return rows


def _images(run: BaseRun, notes: list[str], monitor: StageMonitor) -> npt.NDArray[np.uint8] | None:
    """The images the run saw; without them the report has no pictures, and says why."""
    if run.config.data.kind == "features":
        return None
    try:
        cached = load_or_build_cache(open_source(run.data), run.data, monitor=monitor)
        run.require_images(cached.data_hash)
    except UserError as error:
        notes.append(f"There are no pictures here, because {error}.")
        return None
    return cached.images


def _truth(run: BaseRun, notes: list[str]) -> Labels | None:
    try:
        return read_truth(run.path, run.data)
    except UserError as error:
        notes.append(f"The truth cannot be read again, so some figures are missing: {error}.")
        return None
