from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

SaveImage = Callable[..., Path]


@pytest.fixture
def save_image() -> SaveImage:
    """Write a small image of one grey; its folders are made."""

    def save(path: Path, grey: int = 0, side: int = 4) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (side, side), grey).save(path)
        return path

    return save
