"""Images of a run as small pictures inside the page."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, features

_QUALITIES = (80, 65, 50, 35, 20)
_LOSSLESS_SIDE = 16  # pixels: below, a lossless file is the smaller one
_LARGEST_SHEET = 16000  # pixels a side; WebP ends at 16,383

Pixels = npt.NDArray[np.uint8]
Made = TypeVar("Made")


class Thumbnails(NamedTuple):
    """Pictures by row.

    Attributes:
        sources: ``data:`` address by row.
        side: Pixels of their sides.
    """

    sources: dict[int, str]
    side: int


class Sheet(NamedTuple):
    """Many pictures in one file, row after row from the top left.

    Attributes:
        source: ``data:`` address.
        side: Pixels of each picture's sides.
        columns: Pictures in a line.
    """

    source: str
    side: int
    columns: int


def thumbnails(images: Pixels, rows: Iterable[int], *, side: int, budget: int) -> Thumbnails:
    """Small pictures of some images, compressed until they fit.

    Args:
        images: uint8 [N, C, S, S].
        rows: Which ones, as often as the page shows each.
        side: Pixels of a picture's sides at most.
        budget: Bytes that all of them may take as text, each as often as it is shown. Pictures are
            made coarser, then smaller, until they do.
    """
    shown = Counter(rows)
    side = min(side, images.shape[-1])

    def encode(side: int, quality: int) -> dict[int, str]:
        return {row: _address(_picture(images[row], side), quality) for row in sorted(shown)}

    def size(made: dict[int, str]) -> int:
        return sum(len(made[row]) * times for row, times in shown.items())

    sources, side = _fitting(encode, size, side, budget)
    return Thumbnails(sources, side)


def sheet(images: Pixels, rows: npt.NDArray[np.int64], *, side: int, budget: int) -> Sheet:
    """Many small pictures as one, compressed until it fits.

    Args:
        images: uint8 [N, C, S, S].
        rows: Which ones, in order.
        side: Pixels of a picture's sides at most.
        budget: Bytes of text that it may take.
    """
    columns = max(1, int(np.ceil(np.sqrt(len(rows)))))
    side = max(1, min(side, images.shape[-1], _LARGEST_SHEET // columns))

    def encode(side: int, quality: int) -> str:
        lines = -(-len(rows) // columns)
        mode = "L" if images.shape[1] == 1 else "RGB"
        whole = Image.new(mode, (columns * side, lines * side))
        for place, row in enumerate(rows):
            whole.paste(
                _picture(images[row], side), (place % columns * side, place // columns * side)
            )
        return _address(whole, quality, lossless=side <= _LOSSLESS_SIDE)

    source, side = _fitting(encode, len, side, budget)
    return Sheet(source, side, columns)


def _fitting(
    encode: Callable[[int, int], Made], size: Callable[[Made], int], side: int, budget: int
) -> tuple[Made, int]:
    """The best that fits: qualities from high to low, then half the side."""
    while True:
        for quality in _QUALITIES:
            made = encode(side, quality)
            if size(made) <= budget or (side <= 8 and quality == _QUALITIES[-1]):
                return made, side
        side = max(8, side // 2)


def _picture(image: Pixels, side: int) -> Image.Image:
    """One image [C, S, S] as a picture with sides of at most ``side``."""
    pixels = np.ascontiguousarray(image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0))
    picture = Image.fromarray(pixels)
    if side < image.shape[-1]:
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    return picture


def _address(picture: Image.Image, quality: int, *, lossless: bool | None = None) -> str:
    """The picture as a ``data:`` address: PNG where it is tiny, else WebP, or JPEG without it."""
    if lossless is None:
        lossless = picture.width <= _LOSSLESS_SIDE
    file = io.BytesIO()
    if lossless:
        kind = "png"
        picture.save(file, "PNG", optimize=True)
    elif features.check("webp"):
        kind = "webp"
        picture.save(file, "WEBP", quality=quality, method=4)
    else:
        kind = "jpeg"
        picture.save(file, "JPEG", quality=quality, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
