"""How many clusters the features of a run fall into: curves, a suggestion and their files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from iciclegcn.errors import UserError
from iciclegcn.evaluation.learned_space import learned_space
from iciclegcn.evaluation.num_clusters import Curves, most_clusters, num_clusters_curves
from iciclegcn.evaluation.num_clusters_plot import plot_num_clusters
from iciclegcn.evaluation.suggestion import Suggestion, suggest_num_clusters
from iciclegcn.run_folder.checks import stage_command
from iciclegcn.run_folder.files import write_atomically, write_csv, write_json
from iciclegcn.run_folder.folder import RunFolder

NAME = "suggest_k"  # of the files, before the ending
MOST = 50  # clusters looked at, unless asked
SAMPLE_SIZE = 4000

_FIGURES = ("stability", "silhouette", "silhouette_of_one", "togetherness")


class SuggestionFiles(NamedTuple):
    """What was found, and where it is.

    Attributes:
        suggestion: The number of clusters, or None with a reason.
        table: The curves as CSV.
        picture: As PNG; None where matplotlib is not installed.
    """

    suggestion: Suggestion
    table: Path
    picture: Path | None


def suggest_k(
    folder: RunFolder,
    candidates: tuple[int, int] | None = None,
    *,
    resamples: int = 10,
    seed: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SuggestionFiles:
    """Write ``suggest_k.csv``, ``suggest_k.json`` and ``suggest_k.png`` into a run folder.

    Args:
        folder: Of a run, of any method, whose neighbours are there.
        candidates: Smallest and largest number of clusters; None: from 2 to 50, or to as many as
            the images can tell of.
        resamples: How often the images are halved.
        seed: Fixes every draw; None: the run's.
        progress: Told how many resamples are done, of how many.

    Raises:
        UserError: If the neighbours are not there, the candidates do not fit the images, or the
            system refuses to write.
    """
    _require_neighbors(folder)
    x = folder.artefacts.read_array("features", mapped=True)
    neighbors = folder.artefacts.read_arrays("neighbors")["indices"]
    low, high = _range(candidates, len(x))
    seed = folder.config.seed if seed is None else seed
    curves = num_clusters_curves(
        learned_space(x, neighbors, seed=seed),
        neighbors,
        range(low, high + 1),
        resamples=resamples,
        sample_size=SAMPLE_SIZE,
        seed=seed,
        progress=progress,
    )
    suggestion = suggest_num_clusters(curves)
    settings = {"range": [low, high], "resamples": resamples, "seed": seed, "num_images": len(x)}
    table, picture = (folder.path / f"{NAME}.{ending}" for ending in ("csv", "png"))
    columns = _columns(curves)
    write_csv(table, list(columns), zip(*map(_rounded, columns.values()), strict=True))
    found = {**suggestion._asdict(), **settings, "curves": columns}
    write_json(folder.path / f"{NAME}.json", found)
    picture.unlink(missing_ok=True)  # whatever happens now: it shows earlier curves
    drawn = plot_num_clusters(curves, suggestion)
    if drawn is None:
        return SuggestionFiles(suggestion, table, None)
    write_atomically(picture, lambda stream: stream.write(drawn))
    return SuggestionFiles(suggestion, table, picture)


def _require_neighbors(folder: RunFolder) -> None:
    stages = folder.manifest.stages
    for stage in stages[: stages.index("graph") + 1]:
        if not folder.is_done(stage):
            raise UserError(
                f"'suggest-k' needs the neighbours of '{folder.path}', which are not there; run "
                f"'{stage_command(stage, folder.path, folder.config)}' first"
            )


def _range(candidates: tuple[int, int] | None, num_rows: int) -> tuple[int, int]:
    most = most_clusters(num_rows, SAMPLE_SIZE)
    if most < 3:
        raise UserError(f"'suggest-k' needs 24 images or more (got {num_rows})")
    if candidates is None:
        return 2, min(MOST, most)
    low, high = candidates
    if not 2 <= low < high:
        raise UserError(f"'--range' must be two numbers, 2 <= LOW < HIGH (got {low} and {high})")
    if high > most:
        raise UserError(
            f"'--range' must end at {most} or below for {num_rows} images, of which samples of at "
            f"most {SAMPLE_SIZE:,} are halved (got {high})"
        )
    return low, high


def _columns(curves: Curves) -> dict[str, list[Any]]:
    """Means over the resamples, and standard deviations, by name."""
    columns: dict[str, list[Any]] = {"num_clusters": curves.num_clusters.tolist()}
    for name in _FIGURES:
        values: np.ndarray = getattr(curves, name)
        columns[name] = values.mean(axis=0).tolist()
        columns[f"{name}_sd"] = values.std(axis=0).tolist()
    return columns


def _rounded(values: list[Any]) -> list[str]:
    return [str(value) if isinstance(value, int) else f"{value:.4f}" for value in values]
