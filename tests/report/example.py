"""Small runs for the tests of the report: made by hand, not trained."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from iciclegcn.config import Config
from iciclegcn.config.values import build_config
from iciclegcn.data.labels import Labels
from iciclegcn.presets import preset_config
from iciclegcn.report.contents import Contents
from iciclegcn.run_folder.manifest import Manifest


def soft_of(clusters: np.ndarray, num_clusters: int, confidence: float = 0.8) -> np.ndarray:
    """Probabilities with so much in each row's cluster and the rest in the next one."""
    soft = np.zeros((len(clusters), num_clusters))
    soft[np.arange(len(clusters)), clusters] = confidence
    soft[np.arange(len(clusters)), (clusters + 1) % num_clusters] = 1 - confidence
    return soft


def example(folder: Path, *, truth: bool = True, pictures: bool = True, **changes: Any) -> Contents:
    """Six items in two clusters of three; the last one is of the first class.

    Args:
        folder: Where its manifest goes.
        truth: Whether there are labels.
        pictures: Whether there are images.
        **changes: Fields to replace.
    """
    clusters = np.array([0, 0, 0, 1, 1, 1])
    soft = soft_of(clusters, 2)
    config: Config = build_config(preset_config("quick", "digits"), {"num_clusters": 2})
    folder.mkdir(parents=True, exist_ok=True)
    x = np.array([[0, 1], [0, 2], [1, 9], [5, 0], [6, 0], [9, 1]], np.float32)
    np.savez(
        folder / "neighbors.npz",
        indices=np.array([[1], [0], [1], [4], [3], [4]]),
        squared_distances=np.ones((6, 1), np.float32),
    )
    graph = dataclasses.replace(config.graph, k=(1,))
    contents = Contents(
        path=folder,
        config=dataclasses.replace(config, graph=graph),
        manifest=Manifest.new(folder / "manifest.json", 0),
        metrics={
            "method": "icicle",
            "output": "streams",
            "cluster_sizes": [3, 3],
            "mean_confidence": 0.8,
            "stream_agreement": 0.5,
            "silhouette": 0.4,
            "homophily": [0.75] if truth else None,
            "heads": {"output": dict.fromkeys(("acc", "nmi", "ari", "f1", "purity"), 5 / 6)}
            if truth
            else None,
        },
        graph={"search": {"kind": "exact"}},
        history=[{"stage": "cluster", "step": step, "loss": 3.0 - step} for step in range(3)],
        paths=[f"folder/{row}.png" for row in range(6)],
        clusters=clusters,
        soft=soft,
        x=x,
        images=np.arange(6 * 3 * 20 * 20, dtype=np.uint8).reshape(6, 3, 20, 20)
        if pictures
        else None,
        truth=Labels(np.array([0, 0, 0, 1, 1, 0]), ["cat", "dog"]) if truth else None,
        notes=(),
    )
    return dataclasses.replace(contents, **changes)
