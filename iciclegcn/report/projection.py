"""Features in two dimensions."""

import importlib
import textwrap
import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from iciclegcn.errors import UserError

KINDS = ("auto", "umap", "pca")
FEWEST_FOR_UMAP = 500  # with fewer rows its neighbourhoods say little, and PCA takes no time

_NEIGHBORS = 15
_FIRST_DIMENSIONS = 50  # UMAP's distances among the first principal components: noise left out
_LONGEST_REASON = 200  # letters: numba's errors fill pages


class Projection(NamedTuple):
    """A map of rows.

    Attributes:
        xy: Coordinates [M, 2]; the longer side spans [0, 1], both have one scale.
        kind: ``umap`` or ``pca``.
        note: Why it is not UMAP where that was tried in vain.
    """

    xy: npt.NDArray[np.float64]
    kind: str
    note: str = ""


def project(
    x: npt.NDArray[np.floating], kind: str = "auto", *, seed: int, unit_rows: bool = False
) -> Projection:
    """Lay rows out in a plane; the same rows and seed give the same map.

    Args:
        x: Features [M, D].
        kind: ``umap``, ``pca``, or ``auto``: UMAP where umap-learn is installed and works, on this
            machine and on these rows, and there are `FEWEST_FOR_UMAP` of them; else the first two
            principal components.
        seed: Fixes UMAP's draws.
        unit_rows: Scale rows to length 1 first: neighbours by cosine.

    Raises:
        ValueError: If ``x`` is no matrix or ``kind`` is unknown.
        UserError: If UMAP is asked for and not installed, or does not work.
    """
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"'x' must be a non-empty matrix [M, D] (got shape {x.shape})")
    if kind not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)} (got {kind!r})")
    rows = np.asarray(x, dtype=np.float64)
    if unit_rows:
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(length > 0, length, 1.0)
    components = _principal(rows, _FIRST_DIMENSIONS, seed)
    note = ""
    if kind == "umap" or (kind == "auto" and len(x) >= FEWEST_FOR_UMAP):
        try:
            mapper_class = _umap_class()
            if len(x) > _NEIGHBORS:
                xy = _umap(mapper_class, components, seed)
                return Projection(_into_unit_square(xy), "umap")
        except Exception as error:  # numba, which it is built on, fails in ways of its own
            if kind == "umap":
                raise UserError(_sentence(error)) from error
            if not _is_missing(error):
                note = f"UMAP does not work here ({_reason(error)})."
    return Projection(_into_unit_square(components[:, :2]), "pca", note)


def _umap_class() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba, TensorFlow and threads: none is the user's
        return importlib.import_module("umap").UMAP


def _is_missing(error: Exception) -> bool:
    """Whether UMAP is not installed."""
    return isinstance(error, ModuleNotFoundError) and error.name == "umap"


def _sentence(error: Exception) -> str:
    if _is_missing(error):
        return "'--map umap' needs umap-learn: pip install 'iciclegcn[report]'"
    return f"'--map umap' does not work here ({_reason(error)}); give '--map pca'"


def _reason(error: Exception) -> str:
    """An error on one line."""
    told = f"{type(error).__name__}: {error}"
    return textwrap.shorten(told, _LONGEST_REASON, placeholder=" ...").rstrip(".:")


def _principal(rows: npt.NDArray[np.float64], most: int, seed: int) -> npt.NDArray[np.float64]:
    """The first principal components [M, P], at least two columns; a missing one is 0."""
    count = min(most, *rows.shape)
    if not np.ptp(rows, axis=0).any():  # all rows are one
        return np.zeros((len(rows), 2))
    found = PCA(count, random_state=seed).fit_transform(rows)
    if count < 2:
        found = np.pad(found, ((0, 0), (0, 2 - count)))
    return np.asarray(found, dtype=np.float64)


def _umap(
    mapper_class: Any, components: npt.NDArray[np.float64], seed: int
) -> npt.NDArray[np.float64]:
    spread = components[:, :2].std(axis=0)
    # The principal axes to start from: they keep far groups apart, and draw nothing at random.
    start = components[:, :2] / np.where(spread > 0, spread, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapper = mapper_class(
            n_neighbors=_NEIGHBORS,
            min_dist=0.5,
            init=start.astype(np.float32),
            random_state=seed,
            n_jobs=1,
        )
        xy = mapper.fit_transform(components.astype(np.float32))
    found: npt.NDArray[np.float64] = np.asarray(xy, dtype=np.float64)
    return found


def _into_unit_square(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low = xy.min(axis=0)
    span = float((xy.max(axis=0) - low).max())
    scaled: npt.NDArray[np.float64] = (xy - low) / (span if span > 0 else 1.0)
    return scaled
