"""The page of many images stays below ten megabytes, whatever the images are."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iciclegcn.data.labels import Labels
from iciclegcn.report.page import page
from iciclegcn.report.pictures import Sheet, Thumbnails
from iciclegcn.report.write import make_parts
from tests.report.example import example

COUNT = 60_000
LIMIT = 10_000_000
PATH = f"{'photographs/' * 9}{{:010}}.jpeg"  # 123 letters


def full_thumbnails(images: object, rows: Iterable[int], *, side: int, budget: int) -> Thumbnails:
    """As large as they may be: `thumbnails` counts each as often as it is shown."""
    shown = list(rows)
    return Thumbnails(dict.fromkeys(shown, "x" * (budget // len(shown))), side)


def full_sheet(images: object, rows: object, *, side: int, budget: int) -> Sheet:
    return Sheet("x" * budget, side, 71)


# With 56 the matrix has the most cells with tips; with 100 the most pictures are shown.
@pytest.mark.parametrize("num_clusters", [56, 100])
def test_sixty_thousand_images_make_less_than_ten_megabytes(
    num_clusters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("clusters_part", "truth_part", "oddities_part"):
        monkeypatch.setattr(f"iciclegcn.report.{part}.thumbnails", full_thumbnails)
    monkeypatch.setattr("iciclegcn.report.map_data.sheet", full_sheet)
    odd = "iciclegcn.report.oddities_part"
    monkeypatch.setattr(f"{odd}._outliers", lambda contents: list(range(24)))
    groups = np.arange(24, 96).reshape(12, 6).tolist()
    monkeypatch.setattr(f"{odd}._groups", lambda contents: groups)
    random = np.random.default_rng(0)
    clusters = random.integers(0, num_clusters, COUNT)
    soft = np.full((COUNT, num_clusters), 0.1 / (num_clusters - 1), np.float32)
    soft[np.arange(COUNT), clusters] = 0.9
    names = [f"a class of things {number}" for number in range(num_clusters)]
    changes: dict[str, Any] = {
        "clusters": clusters,
        "soft": soft,
        "paths": [PATH.format(row) for row in range(COUNT)],
        "x": random.normal(size=(COUNT, 4)).astype(np.float32),
        "images": np.zeros((1, 3, 96, 96), np.uint8),
        "history": [
            {
                "stage": "cluster",
                "step": step,
                **{f"kl_stream_{k}": random.random() for k in range(12)},
            }
            for step in range(400)
        ],
    }
    truth = Labels(random.integers(0, num_clusters, COUNT), names)
    contents = dataclasses.replace(example(tmp_path, **changes), truth=truth)
    contents.metrics["cluster_sizes"] = np.bincount(clusters).tolist()  # type: ignore[index]
    np.savez(
        tmp_path / "neighbors.npz",
        indices=(np.arange(COUNT)[:, None] + 1) % COUNT,
        squared_distances=np.ones((COUNT, 1), np.float32),
    )
    size = len(page(contents, make_parts(contents, "pca")).encode())
    assert 0.8 * LIMIT < size < LIMIT
