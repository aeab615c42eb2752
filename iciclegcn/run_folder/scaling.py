"""How the features of a run were scaled, kept in its folder for rows that come later."""

from iciclegcn.data.feature_scaling import FeatureScaling
from iciclegcn.run_folder.artefacts import RunArtefacts

_NAME = "feature_scaling"


def write_scaling(artefacts: RunArtefacts, scaling: FeatureScaling) -> None:
    """Write ``feature_scaling.npz``."""
    artefacts.write_arrays(_NAME, scaling.to_arrays())


def read_scaling(artefacts: RunArtefacts) -> FeatureScaling:
    """Read ``feature_scaling.npz``.

    Args:
        artefacts: Of a run on a given matrix, whose features are there.

    Raises:
        UserError: If it is absent or damaged.
    """
    return FeatureScaling.from_arrays(artefacts.read_arrays(_NAME))
