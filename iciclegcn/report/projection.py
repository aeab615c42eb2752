"""Features in two dimensions."""

import importlib
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from iciclegcn.errors import UserError

KINDS = ("auto", "umap", "pca")
FEWEST_FOR_UMAP = 500  # with fewer rows its neighbourhoods say little, and PCA takes no time

_NEIGHBORS = 15
_FIRST_DIMENSIONS = 50  # UMAP's distances among the first principal components: noise left out


class Projection(NamedTuple):
    """A map of rows.

    Attributes:
        xy: Coordinates [M, 2]; the longer side spans [0, 1], both have one scale.
        kind: ``umap`` or ``pca``.
    """

    xy: npt.NDArray[np.float64]
    kind: str


def project(
    x: npt.NDArray[np.floating], kind: str = "auto", *, seed: int, unit_rows: bool = False
) -> Projection:
    """Lay rows out in a plane; the same rows and seed give the same map.

    Args:
        x: Features [M, D].
        kind: ``umap``, ``pca``, or ``auto``: UMAP where umap-learn is installed and works and there
            are `FEWEST_FOR_UMAP` rows, else the first two principal components.
        seed: Fixes UMAP's draws.
        unit_rows: Scale rows to length 1 first: neighbours by cosine.

    Raises:
        ValueError: If ``x`` is no matrix or ``kind`` is unknown.
        UserError: If UMAP is asked for and not installed.
    """
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"'x' must be a non-empty matrix [M, D] (got shape {x.shape})")
    if kind not in KINDS:
        raise ValueError(f"'kind' must be one of {', '.join(KINDS)} (got {kind!r})")
    if kind == "umap" and not _works():
        raise UserError("'--map umap' needs umap-learn: pip install 'iciclegcn[report]'")
    if kind == "auto":
        kind = "umap" if len(x) >= FEWEST_FOR_UMAP and _works() else "pca"
    rows = np.asarray(x, dtype=np.float64)
    if unit_rows:
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(length > 0, length, 1.0)
    components = _principal(rows, _FIRST_DIMENSIONS, seed)
    if kind == "umap" and len(x) > _NEIGHBORS:
        return Projection(_into_unit_square(_umap(components, seed)), "umap")
    return Projection(_into_unit_square(components[:, :2]), "pca")


def _works() -> bool:
    """Whether UMAP is there, and fits the NumPy that is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module("umap")
        except ImportError:
            return False
    return True


def _principal(rows: npt.NDArray[np.float64], most: int, seed: int) -> npt.NDArray[np.float64]:
    """The first principal components [M, P], at least two columns; a missing one is 0."""
    count = min(most, *rows.shape)
    if not np.ptp(rows, axis=0).any():  # all rows are one
        return np.zeros((len(rows), 2))
    found = PCA(count, random_state=seed).fit_transform(rows)
    if count < 2:
        found = np.pad(found, ((0, 0), (0, 2 - count)))
    return np.asarray(found, dtype=np.float64)


def _umap(components: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    spread = components[:, :2].std(axis=0)
    # The principal axes to start from: they keep far groups apart, and draw nothing at random.
    start = components[:, :2] / np.where(spread > 0, spread, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba, TensorFlow and threads: none is the user's
        from umap import UMAP

        mapper = UMAP(
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
