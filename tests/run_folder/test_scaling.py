from pathlib import Path

import numpy as np
import pytest

from iciclegcn.data.feature_scaling import FeatureScaling
from iciclegcn.errors import UserError
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.scaling import read_scaling, write_scaling


def test_a_scaling_is_read_as_it_was_written(tmp_path: Path) -> None:
    scaling = FeatureScaling(np.array([1.5, -2.0], np.float32), 1 / 3)
    write_scaling(RunArtefacts(tmp_path), scaling)
    found = read_scaling(RunArtefacts(tmp_path))
    np.testing.assert_array_equal(found.center, scaling.center)
    assert found.scale == scaling.scale


def test_an_absent_scaling_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"feature_scaling.npz' is absent or damaged"):
        read_scaling(RunArtefacts(tmp_path))
