import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import scaling_stages
from benchmarks.scaling_stages import CHANNELS, NUM_CLUSTERS, make_features, measure


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read on Linux only")
def test_the_stages_lead_from_the_disk_to_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling_stages, "HIDDEN", (16, 16))
    folder = tmp_path / "cells"
    folder.mkdir()
    for stage in ("features", "neighbors"):
        measure(stage, tmp_path, 600, "cells", 2, 10.0)
    measure("cluster", folder, 600, "cells", 2, 10.0)
    figures = json.loads((folder / "cluster.json").read_text(encoding="utf-8"))
    assert figures["steps_per_epoch"] == 1
    assert len(figures["epoch_seconds"]) == 1
    assert len(figures["edges"]) == 2
    assert 0.05 < figures["acc"] <= 1
    assert figures["peak_gb"] > 0.1
    assert np.load(tmp_path / "neighbors.npz")["indices"].shape == (600, 10)


def test_planted_clusters_are_uneven_and_the_blocks_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_features(tmp_path, 2000)
    x, y = np.load(tmp_path / "features.npy"), np.load(tmp_path / "truth.npy")
    assert x.shape == (2000, CHANNELS)
    assert x.dtype == np.float32
    sizes = np.bincount(y, minlength=NUM_CLUSTERS)
    assert sizes.max() > 3 * sizes.min() > 0
    centers = np.stack([x[y == cluster].mean(axis=0) for cluster in range(NUM_CLUSTERS)])
    own = np.linalg.norm(x - centers[y], axis=1).mean()
    other = np.linalg.norm(x - centers[(y + 1) % NUM_CLUSTERS], axis=1).mean()
    assert own < other
