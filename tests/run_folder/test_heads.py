from pathlib import Path

import numpy as np
import pytest

from iciclegcn.config import Config
from iciclegcn.run_folder.artefacts import RunArtefacts
from iciclegcn.run_folder.heads import head_clusters, name_clusters

SOFT = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
OTHER = np.roll(SOFT, 1, axis=0)  # clusters 0, 0, 1, 1 where SOFT has 0, 1, 1, 0


@pytest.fixture
def artefacts(tmp_path: Path) -> RunArtefacts:
    found = RunArtefacts(tmp_path)
    found.write_listing(list("abcd"), np.arange(4, dtype=np.int64), [])
    return found


@pytest.mark.parametrize("kind", ["stream", "network"])
def test_streams_or_networks_agree_on_an_image_or_not(kind: str, artefacts: RunArtefacts) -> None:
    soft = {"output": SOFT, f"{kind}_0": SOFT, f"{kind}_1": OTHER, "q": OTHER, "base": OTHER}
    name_clusters(artefacts, soft, 0.0)
    assert artefacts.read_assignments().agreements.tolist() == [1.0, 0.5, 1.0, 0.5]
    assert artefacts.read_assignments().paths == list("abcd")


def test_one_network_has_nobody_to_agree_with(artefacts: RunArtefacts) -> None:
    name_clusters(artefacts, {"output": SOFT}, 0.0)
    assert np.isnan(artefacts.read_assignments().agreements).all()


def test_the_output_is_what_the_table_says(artefacts: RunArtefacts) -> None:
    config = Config(method="gcc", num_clusters=2)
    soft = {"output": SOFT, "network_0": SOFT, "network_1": OTHER}
    artefacts.write_arrays("assignments_soft", soft)
    name_clusters(artefacts, soft, 0.0)
    heads = head_clusters(artefacts, config)
    assert heads.keys() == soft.keys()
    assert heads["output"].tolist() == [0, 1, 1, 0]
    name_clusters(artefacts, soft, 0.25)
    heads = head_clusters(artefacts, config)
    assert heads["output"].tolist() == [0, -1, 1, 0]
    assert heads["all_images"].tolist() == [0, 1, 1, 0]
    assert heads["network_1"].tolist() == [0, 0, 1, 1]
