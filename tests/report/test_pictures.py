import base64
import io

import numpy as np
import pytest
from PIL import Image

from iciclegcn.report.pictures import sheet, thumbnails


def photographs(count: int, side: int, channels: int = 3) -> np.ndarray:
    """Smooth pictures with some noise, as photographs are."""
    random = np.random.default_rng(0)
    ramp = np.linspace(0, 200, side)[None, None, :, None]
    noise = random.integers(0, 55, (count, channels, side, side))
    return (ramp + noise).astype(np.uint8)


def opened(source: str) -> Image.Image:
    kind, _, content = source.partition(";base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert kind == f"data:image/{str(picture.format).lower()}"
    return picture


def test_thumbnails_are_small_pictures_by_row() -> None:
    found = thumbnails(photographs(4, 64), [2, 0, 2], side=32, budget=10**6)
    assert found.side == 32
    assert sorted(found.sources) == [0, 2]
    assert opened(found.sources[0]).size == (32, 32)


def test_small_images_keep_their_pixels() -> None:
    images = photographs(1, 8, channels=1)
    found = thumbnails(images, [0], side=96, budget=10**6)
    np.testing.assert_array_equal(np.asarray(opened(found.sources[0])), images[0, 0])


def test_a_sheet_holds_its_pictures_in_order() -> None:
    images = np.zeros((5, 3, 8, 8), np.uint8)
    images[:] = np.arange(5).reshape(5, 1, 1, 1) * 50
    found = sheet(images, np.array([4, 0, 3]), side=8, budget=10**6)
    assert (found.side, found.columns) == (8, 2)
    pixels = np.asarray(opened(found.source))
    assert pixels.shape == (16, 16, 3)
    assert [int(pixels[4, 4, 0]), int(pixels[4, 12, 0]), int(pixels[12, 4, 0])] == [200, 0, 150]


def test_pictures_get_coarser_and_then_smaller_until_they_fit() -> None:
    images = photographs(16, 64)
    rows = np.arange(16)
    fine = sheet(images, rows, side=64, budget=10**6)
    coarse = sheet(images, rows, side=64, budget=len(fine.source) // 3)
    tiny = sheet(images, rows, side=64, budget=2000)
    assert len(coarse.source) <= len(fine.source) // 3
    assert len(tiny.source) <= 2000
    assert tiny.side < 64
    small = thumbnails(images, rows.tolist(), side=64, budget=9000)
    assert sum(map(len, small.sources.values())) <= 9000


def test_a_picture_counts_as_often_as_it_is_shown() -> None:
    images, rows, budget = photographs(2, 64), [0, 0, 0, 1], 6000
    found = thumbnails(images, rows, side=64, budget=budget)
    assert sum(len(found.sources[row]) for row in rows) <= budget
    once = thumbnails(images, [0, 1], side=64, budget=budget)
    assert sum(len(once.sources[row]) for row in rows) > budget


def test_what_cannot_fit_ends_at_eight_pixels() -> None:
    found = sheet(photographs(64, 32), np.arange(64), side=32, budget=10)
    assert found.side == 8


def test_without_webp_pictures_are_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    found = thumbnails(photographs(1, 32), [0], side=32, budget=10**6)
    assert opened(found.sources[0]).format == "JPEG"
