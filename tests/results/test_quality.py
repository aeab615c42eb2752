from pathlib import Path

import numpy as np

from graphs import knn
from iciclegcn.config import Config, GraphConfig
from iciclegcn.results.quality import write_quality_tables
from iciclegcn.run_folder.folder import RunFolder

N = 60


def test_the_tables_are_those_of_the_runs_features_and_neighbours(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 1, (N // 2, 2)), rng.uniform(8, 10, (N // 2, 2))])
    x[7] = [4.0, 4.0]  # between the groups
    x[40] = x[50] + 1e-4
    clusters = (np.arange(N) >= N // 2).astype(int)
    with RunFolder.create(tmp_path / "run", Config(num_clusters=3)) as folder:
        artefacts = folder.artefacts
        found = knn(x.astype(np.float32), 5)
        arrays: dict[str, np.ndarray] = {"indices": found.indices}
        arrays["squared_distances"] = found.squared_distances
        artefacts.write_arrays("neighbors", arrays)
        artefacts.write_array("features", x.astype(np.float32))
        output = 0.75 * np.eye(3)[clusters] + 0.25 / 3
        artefacts.write_arrays("assignments_soft", {"output": output})
        artefacts.write_assignments([f"{row}.png" for row in range(N)], output)
        counts = write_quality_tables(folder)
    table = artefacts.read_clusters()
    assert table.sizes.tolist() == [30, 30, 0]
    assert table.nearest.tolist() == [1, 0, -1]
    np.testing.assert_allclose(table.confidences, [0.833333, 0.833333, np.nan])
    outliers, copies = artefacts.read_outliers(), artefacts.read_near_duplicates()
    assert outliers.indices[0] == 7
    assert {40, 50} <= set(copies.indices)
    assert counts == {
        "outliers": len(outliers.indices),
        "near_duplicates": len(copies.indices),
        "near_duplicate_groups": len(set(copies.groups)),
    }


def test_the_nearest_cluster_is_nearest_by_the_metric_of_the_graph(tmp_path: Path) -> None:
    # By distance cluster 0 is nearest to 1, by direction to 2.
    x = np.array([[1, 0], [2, 0], [0, 1], [0, 2], [30, 1], [40, 1]], dtype=np.float32)
    clusters = np.array([0, 0, 1, 1, 2, 2])
    for metric, nearest in (("l2", 1), ("cosine", 2)):
        config = Config(num_clusters=3, graph=GraphConfig(k=(1,), metric=metric))
        with RunFolder.create(tmp_path / metric, config) as folder:
            found = knn(x, 1, metric=metric)
            neighbors: dict[str, np.ndarray] = {"indices": found.indices}
            neighbors["squared_distances"] = found.squared_distances
            folder.artefacts.write_arrays("neighbors", neighbors)
            folder.artefacts.write_array("features", x)
            output = np.eye(3)[clusters]
            folder.artefacts.write_arrays("assignments_soft", {"output": output})
            folder.artefacts.write_assignments([f"{row}.png" for row in range(6)], output)
            write_quality_tables(folder)
        assert folder.artefacts.read_clusters().nearest[0] == nearest
