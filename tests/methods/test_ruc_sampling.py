from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from graphs import knn
from iciclegcn.config import Config, GraphConfig, RUCConfig
from iciclegcn.errors import UserError
from iciclegcn.methods import ruc_sampling
from iciclegcn.methods.ruc_sampling import (
    Clustering,
    agreeing,
    confident,
    sample_clean,
    with_least,
)
from iciclegcn.monitor import NullMonitor
from iciclegcn.runtime import Runtime

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "ruc.npz")
RUNTIME = Runtime.create(0, "cpu", "fp32")


def golden_clustering() -> Clustering:
    logits = torch.from_numpy(GOLDEN["classifier_logits"])
    confidences = logits.softmax(dim=1).amax(dim=1).numpy()
    return Clustering(GOLDEN["pseudo_label"], confidences, GOLDEN["embedding"])


def sampled(sampling: str, clustering: Clustering | None = None, **changes: object) -> np.ndarray:
    fixed: dict[str, object] = {
        "confidence_threshold": float(GOLDEN["confidence_threshold"]),
        "num_neighbors": int(GOLDEN["num_neighbors"]),
        "least_clean": 0.0,
    }
    options = RUCConfig(sampling=sampling, **(fixed | changes))  # type: ignore[arg-type]
    config = Config(num_clusters=10, ruc=options)
    return sample_clean(clustering or golden_clustering(), config, RUNTIME, NullMonitor())


def test_confidence_sampling_agrees_with_golden_values() -> None:
    assert np.array_equal(sampled("confidence"), GOLDEN["confidence_clean"])


def test_metric_sampling_agrees_with_golden_values() -> None:
    decided = ~GOLDEN["vote_tied"]
    assert 30 < decided.sum() < 80
    clean = sampled("metric")
    assert np.array_equal(clean[decided], GOLDEN["metric_clean"][decided])
    # A tie for the image's own cluster is no reason to doubt it.
    assert clean[~decided].sum() >= GOLDEN["metric_clean"][~decided].sum()


def test_hybrid_sampling_asks_for_both() -> None:
    both = sampled("confidence") & sampled("metric")
    assert np.array_equal(sampled("hybrid"), both)


def test_neighbours_vote_and_so_does_the_image() -> None:
    assignments = np.array([0, 0, 1, 1, 2])
    neighbors = np.array([[1, 2], [2, 3], [3, 0], [4, 0], [2, 3]])
    # 0: 0,0,1; 1: 0,1,1; 2: 1,1,0; 3: 1,2,0 tied; 4: 2,1,1.
    expected = [True, False, True, True, False]
    assert agreeing(assignments, neighbors, 3).tolist() == expected
    assert agreeing(assignments, neighbors, 300).tolist() == expected


def test_votes_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    clustering = golden_clustering()
    neighbors = knn(clustering.embeddings, 14).indices
    whole = agreeing(clustering.assignments, neighbors, 10)
    monkeypatch.setattr(ruc_sampling, "_BLOCK_VOTES", 100)  # 7 rows
    assert np.array_equal(agreeing(clustering.assignments, neighbors, 10), whole)


def test_the_threshold_is_reached_by_equality() -> None:
    confidences = np.array([0.98, 0.99, 1.0], dtype=np.float32)
    assert confident(confidences, float(confidences[1])).tolist() == [False, True, True]


def test_embeddings_are_compared_by_direction() -> None:
    clustering = golden_clustering()
    lengths = np.random.default_rng(0).uniform(0.1, 9, (80, 1)).astype(np.float32)
    stretched = clustering._replace(embeddings=clustering.embeddings * lengths)
    assert np.array_equal(sampled("metric", stretched), sampled("metric"))


def test_rows_of_zeros_and_few_images_are_no_obstacle() -> None:
    embeddings = GOLDEN["embedding"].copy()
    embeddings[:3] = 0
    assert sampled("metric", golden_clustering()._replace(embeddings=embeddings)).any()
    assignments, confidences, rows = golden_clustering()
    few = Clustering(assignments[:4], confidences[:4], rows[:4])
    assert sampled("metric", few).shape == (4,)
    assert sampled("metric", num_neighbors=1).all()  # only itself votes


def test_every_cluster_keeps_its_surest_images() -> None:
    assignments = np.array([0, 0, 0, 0, 2, 2, 2, 2, 2])
    confidences = np.array([0.1, 0.4, 0.3, 0.2, 0.5, 0.9, 0.9, 0.8, 0.7], dtype=np.float32)
    clustering = Clustering(assignments, confidences, np.zeros((9, 1), np.float32))
    clean = np.zeros(9, dtype=np.bool_)
    clean[7] = True
    assert not with_least(clean, clustering, 0.0)[:4].any()
    half = with_least(clean, clustering, 0.5)
    assert half.tolist() == [False, True, True, False, False, True, True, True, False]
    assert with_least(clean, clustering, 0.01).sum() == 2  # one of cluster 0, rounded up
    assert with_least(clean, clustering, 1.0).all()
    assert clean.sum() == 1


def test_least_clean_reaches_the_sample() -> None:
    none = sampled("confidence", confidence_threshold=1.0)
    assert not none.any()
    some = sampled("confidence", confidence_threshold=1.0, least_clean=0.1)
    assert set(GOLDEN["pseudo_label"][some]) == set(GOLDEN["pseudo_label"])


def test_what_cannot_be_searched_is_a_users_mistake() -> None:
    config = Config(num_clusters=10, graph=GraphConfig(memory_gib=1e-6))
    with pytest.raises(UserError, match=r"'memory_gib' must be at least .*--graph.memory_gib"):
        sample_clean(golden_clustering(), config, RUNTIME, NullMonitor())
    broken = golden_clustering()
    broken.embeddings[0] = np.nan
    alone = replace(config, graph=GraphConfig(), ruc=RUCConfig(sampling="confidence"))
    sample_clean(broken, alone, RUNTIME, NullMonitor())  # nobody looks at them
