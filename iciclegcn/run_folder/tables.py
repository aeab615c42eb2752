"""The tables of a run folder that say how good its clusters are: written and read as CSV."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from iciclegcn.errors import UserError
from iciclegcn.evaluation.near_duplicates import NearDuplicates
from iciclegcn.evaluation.outliers import Outliers
from iciclegcn.evaluation.per_cluster import ClusterTable
from iciclegcn.evaluation.per_image import ImageFacts
from iciclegcn.run_folder.files import csv_text, read_csv, write_csv

ASSIGNMENTS = ("path", "cluster", "confidence", "margin", "agreement")
CLUSTERS = ("cluster", "size", "mean_confidence", "density", "nearest_cluster")
OUTLIERS = ("index", "path", "cluster", "score")
NEAR_DUPLICATES = ("group", "index", "path", "distance")

_OLDER_ASSIGNMENTS = ASSIGNMENTS[:3]  # of runs made before margin and agreement were told
_REMEDY = "delete it, and 'iciclegcn run' with the same options makes it again"
_Table = TypeVar("_Table")


class Assignments(NamedTuple):
    """The clusters of a run, row by row.

    Attributes:
        paths: What names each image.
        clusters: int64 [N]; -1 where the image was left unassigned.
        confidences: Probability of the most probable cluster, float64 [N].
        margins: That less the runner-up's, float64 [N]; NaN in files that do not tell.
        agreements: Share of the streams, or networks, that name that cluster too, float64 [N]; NaN
            where there are fewer than two, or in files that do not tell.
    """

    paths: list[str]
    clusters: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    margins: npt.NDArray[np.float64]
    agreements: npt.NDArray[np.float64]


def write_assignments(file: Path, paths: Sequence[str], facts: ImageFacts) -> None:
    """Write ``assignments.csv``: one row an image, in index order."""
    write_csv(file, ASSIGNMENTS, assignment_rows(paths, facts))


def assignment_rows(paths: Sequence[str], facts: ImageFacts) -> Iterator[tuple[object, ...]]:
    """The rows of ``assignments.csv``, one an image."""
    for path, cluster, confidence, margin, agreement in zip(paths, *facts, strict=True):
        yield path, cluster, f"{confidence:.6f}", _number(margin, ".6f"), _number(agreement, ".3f")


def read_assignments(file: Path) -> Assignments:
    """Read ``assignments.csv``, also one of three columns.

    Raises:
        UserError: If it is absent or damaged.
    """
    rows = read_csv(file, ASSIGNMENTS, older=_OLDER_ASSIGNMENTS)

    def parse() -> Assignments:
        told = all(len(row) == len(ASSIGNMENTS) for row in rows)
        unknown = np.full(len(rows), np.nan)
        margins, agreements = (_reals(rows, c) if told else unknown.copy() for c in (3, 4))
        paths, clusters = [row[0] for row in rows], _integers(rows, 1)
        return Assignments(paths, clusters, _reals(rows, 2), margins, agreements)

    return _parsed(file, parse)


def clusters_text(given: Assignments, clusters: npt.NDArray[np.int64]) -> str:
    """The table of three columns that earlier versions wrote, and that runs are told apart by.

    Args:
        given: Gives paths and confidences.
        clusters: Clusters [N] to write.
    """
    rows = (
        (path, cluster, f"{confidence:.6f}")
        for path, cluster, confidence in zip(given.paths, clusters, given.confidences, strict=True)
    )
    return csv_text(_OLDER_ASSIGNMENTS, rows)


def write_clusters(file: Path, table: ClusterTable) -> None:
    """Write ``clusters.csv``: one row a cluster."""
    rows = (
        (cluster, size, _number(confidence, ".6f"), _number(density, ".4f"), _cluster(nearest))
        for cluster, (size, confidence, density, nearest) in enumerate(zip(*table, strict=True))
    )
    write_csv(file, CLUSTERS, rows)


def read_clusters(file: Path) -> ClusterTable:
    """Read ``clusters.csv``.

    Raises:
        UserError: If it is absent or damaged.
    """
    rows = read_csv(file, CLUSTERS)

    def parse() -> ClusterTable:
        nearest = np.array([int(row[4]) if row[4] else -1 for row in rows], np.int64)
        return ClusterTable(_integers(rows, 1), _reals(rows, 2), _reals(rows, 3), nearest)

    return _parsed(file, parse)


def write_outliers(
    file: Path, outliers: Outliers, paths: Sequence[str], clusters: npt.NDArray[np.int64]
) -> None:
    """Write ``outliers.csv``: the farthest first.

    Args:
        file: Where.
        outliers: What to write.
        paths: Those of all images [N].
        clusters: Those of all images [N].
    """
    rows = (
        (index, paths[index], clusters[index], f"{score:.4f}")
        for index, score in zip(*outliers, strict=True)
    )
    write_csv(file, OUTLIERS, rows)


def read_outliers(file: Path) -> Outliers:
    """Read ``outliers.csv``.

    Raises:
        UserError: If it is absent or damaged.
    """
    rows = read_csv(file, OUTLIERS)
    return _parsed(file, lambda: Outliers(_integers(rows, 0), _reals(rows, 3)))


def write_near_duplicates(file: Path, found: NearDuplicates, paths: Sequence[str]) -> None:
    """Write ``near_duplicates.csv``: one row a member, group by group.

    Args:
        file: Where.
        found: What to write.
        paths: Those of all images [N].
    """
    rows = (
        (group, index, paths[index], f"{distance:.6g}")
        for group, index, distance in zip(*found, strict=True)
    )
    write_csv(file, NEAR_DUPLICATES, rows)


def read_near_duplicates(file: Path) -> NearDuplicates:
    """Read ``near_duplicates.csv``.

    Raises:
        UserError: If it is absent or damaged.
    """
    rows = read_csv(file, NEAR_DUPLICATES)
    return _parsed(
        file, lambda: NearDuplicates(_integers(rows, 0), _integers(rows, 1), _reals(rows, 3))
    )


def _parsed(file: Path, parse: Callable[[], _Table]) -> _Table:
    try:
        return parse()
    except ValueError as error:
        raise UserError(f"'{file}' is damaged; {_REMEDY}") from error


def _integers(rows: Sequence[Sequence[str]], column: int) -> npt.NDArray[np.int64]:
    return np.array([int(row[column]) for row in rows], np.int64)


def _reals(rows: Sequence[Sequence[str]], column: int) -> npt.NDArray[np.float64]:
    return np.array([_value(row[column]) for row in rows], np.float64)


def _value(text: str) -> float:
    return float(text) if text else math.nan


def _number(value: float, form: str) -> str:
    """Blank for NaN."""
    return "" if math.isnan(value) else format(value, form)


def _cluster(number: int) -> str:
    return "" if number < 0 else str(number)
