"""One image file or array to uint8 pixels [C, S, S]: every mode, the right way up."""

import contextlib
import io
import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

Pixels = npt.NDArray[np.uint8]

# Only these decoders are tried, whatever the file's name: the others of Pillow are rare, and some
# (EPS) start outside programs. JPEG includes the MPO of phones.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Part of the cache's key: raise it when the same file would give other pixels.
DECODE_VERSION = 1

_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImageError(Exception):
    """An image that cannot be used; the message is the reason shown in ``skipped.csv``."""


@contextlib.contextmanager
def pillow_warnings() -> Iterator[None]:
    """Pillow's warnings while decoding: bombs are errors, remarks on metadata are not shown.

    Warning filters belong to the whole process, so enter this once around a thread pool and not in
    its workers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode_image(data: bytes, size: int, channels: int) -> Pixels:
    """Decode the bytes of an image file.

    EXIF orientation is honoured; of several frames the first counts; transparency is laid on
    white; 16-bit greyscale and floating-point (0 to 1) pixels are scaled to 0-255, not clipped;
    colour profiles are ignored.

    Args:
        data: The whole file.
        size: Side S of the square that is returned: short side to S, centre crop.
        channels: 1 (greyscale) or 3 (RGB).

    Returns:
        Pixels [C, S, S]. An image that is S x S already is not resampled.

    Raises:
        UnreadableImageError: If the bytes are no image, or a truncated or an enormous one.
    """
    if not data:
        raise UnreadableImageError("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse_bomb(image)
            # JPEG decodes at 1/2, 1/4 or 1/8 for little; twice the size keeps the resampling good.
            image.draft(image.mode, (2 * size, 2 * size))
            image.load()
            upright = _upright(image)
            return fit(_plain_mode(upright), size, channels)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not an image in a known format") from error
    # Pillow's decoders let nearly any exception through on damaged files (OSError, SyntaxError,
    # ValueError, struct.error, zlib.error, ...); none of them may end a run.
    except Exception as error:
        raise UnreadableImageError(_reason(error)) from error


def decode_array(image: npt.NDArray[np.generic], size: int, channels: int) -> Pixels:
    """Bring one array image to the form of `decode_image`.

    Args:
        image: Pixels [H, W] or [H, W, C] with C = 1, 3 or 4 (RGBA, laid on white); bool, uint8,
            uint16 (0-65535) or floating point (0 to 1).
        size: Side S of the square that is returned.
        channels: 1 (greyscale) or 3 (RGB).

    Returns:
        Pixels [C, S, S].

    Raises:
        UnreadableImageError: If floating-point values are not finite or not within 0 to 1.
    """
    pixels = to_uint8(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    return fit(_plain_mode(Image.fromarray(np.ascontiguousarray(pixels))), size, channels)


def to_uint8(values: npt.NDArray[np.generic]) -> Pixels:
    """Scale bool, uint8, uint16 (0-65535) or floating-point (0 to 1) values to 0-255, rounding.

    Raises:
        UnreadableImageError: If floating-point values are not finite or not within 0 to 1.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnreadableImageError("floating-point pixels that are not finite")
    # A little room: resampled images overshoot by rounding.
    if low < -1e-3 or high > 1 + 1e-3:
        raise UnreadableImageError(
            f"floating-point pixels must lie within 0 and 1 (got {low:g} to {high:g})"
        )
    return (values.astype(np.float32).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def fit(image: Image.Image, size: int, channels: int) -> Pixels:
    """Short side to ``size``, antialiased, and centre crop; ``image`` is L or RGB."""
    mode = "L" if channels == 1 else "RGB"
    width, height = image.size
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    # Cropping first is the same square for less work, and safe for a 1 x 100,000 image.
    box = (left, top, left + short, top + short)
    if short != size:
        image = image.resize((size, size), Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    elif width != height:
        image = image.crop(box)
    if image.mode != mode:
        image = image.convert(mode)
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _refuse_bomb(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise UnreadableImageError(
            f"{image.width} x {image.height} pixels, over the limit of {limit}"
        )


def _upright(image: Image.Image) -> Image.Image:
    # After loading: Pillow turns TIFF files by itself then, and drops their orientation.
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    # Damaged EXIF raises anything, and says nothing about the pixels.
    except Exception:
        return image
    method = _TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)


def _plain_mode(image: Image.Image) -> Image.Image:
    """Any mode to L or RGB."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray(to_uint8(np.asarray(image).astype(np.uint16)))
    if image.mode == "I":
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise UnreadableImageError(
                f"32-bit pixels must lie within 0 and 65535 (got {low} to {high})"
            )
        return Image.fromarray(to_uint8(values.astype(np.uint16)))
    if image.mode == "F":
        return Image.fromarray(to_uint8(np.asarray(image)))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode == "1" else "RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more pixels than the limit of {Image.MAX_IMAGE_PIXELS}"
    text = " ".join(str(error).split())
    return text or type(error).__name__
