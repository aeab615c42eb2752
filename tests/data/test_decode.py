import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from iciclegcn.data.decode import (
    Pixels,
    UnreadableImageError,
    decode_array,
    decode_image,
    pillow_warnings,
    to_uint8,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def corners() -> Image.Image:
    """8 x 8: red top left, green top right, blue bottom left, white bottom right."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, :4], pixels[:4, 4:], pixels[4:, :4], pixels[4:, 4:] = RED, GREEN, BLUE, WHITE
    return Image.fromarray(pixels)


def corner_colors(pixels: Pixels) -> list[tuple[int, ...]]:
    last = pixels.shape[1] - 1
    places = ((0, 0), (0, last), (last, 0), (last, last))
    return [tuple(int(v) for v in pixels[:, row, column]) for row, column in places]


def raw_png(width: int, height: int, depth: int, color: int, rows: bytes) -> bytes:
    """A PNG written by hand: Pillow writes no 16-bit colour."""

    def part(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", header)
        + part(b"IDAT", zlib.compress(rows))
        + part(b"IEND", b"")
    )


# Where each EXIF orientation puts (top left, top right, bottom left, bottom right).
TURNED = {
    1: (RED, GREEN, BLUE, WHITE),
    2: (GREEN, RED, WHITE, BLUE),
    3: (WHITE, BLUE, GREEN, RED),
    4: (BLUE, WHITE, RED, GREEN),
    5: (RED, BLUE, GREEN, WHITE),
    6: (BLUE, RED, WHITE, GREEN),
    7: (WHITE, GREEN, BLUE, RED),
    8: (GREEN, WHITE, RED, BLUE),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_orientation_puts_each_corner_in_its_place(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(corners(), kind, exif=exif, **options)
    assert tuple(corner_colors(decode_image(data, 8, 3))) == TURNED[orientation]


def test_jpeg_orientation_is_honoured() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: turn clockwise
    grey = Image.fromarray(np.repeat(np.array([[255], [0]], np.uint8), 8, axis=0).repeat(16, 1))
    pixels = decode_image(encode(grey, "JPEG", exif=exif, quality=100), 16, 1)
    assert pixels[0, :, 0].max() < 5
    assert pixels[0, :, -1].min() > 250


def test_damaged_exif_does_not_cost_the_image() -> None:
    data = encode(corners(), "PNG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    with pillow_warnings():
        assert corner_colors(decode_image(data, 8, 3)) == [RED, GREEN, BLUE, WHITE]


def test_images_of_the_right_size_are_untouched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    decoded = decode_image(encode(Image.fromarray(pixels)), 9, 3)
    np.testing.assert_array_equal(decoded, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(("height", "width"), [(4, 8), (8, 4), (4, 7), (7, 4)])
def test_longer_side_is_cropped_at_the_centre(height: int, width: int) -> None:
    pixels = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    top, left = (height - 4) // 2, (width - 4) // 2
    decoded = decode_image(encode(Image.fromarray(pixels)), 4, 1)
    np.testing.assert_array_equal(decoded[0], pixels[top : top + 4, left : left + 4])


def test_reduction_is_antialiased() -> None:
    # Single-pixel stripes: nearest or plain bicubic sampling would keep black or white.
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    decoded = decode_image(encode(Image.fromarray(stripes)), 8, 1)
    assert abs(decoded.astype(int) - 127).max() <= 8


def test_extreme_aspect_ratio_costs_no_memory() -> None:
    decoded = decode_image(encode(Image.new("L", (100_000, 1), 77)), 224, 1)
    assert decoded.shape == (1, 224, 224)
    assert (decoded == 77).all()


def test_large_jpeg_is_close_to_a_full_decode() -> None:
    ramp = np.linspace(0, 255, 640, dtype=np.float32)
    image = Image.fromarray(
        np.add.outer(ramp, ramp[::-1]).astype(np.uint16).clip(0, 255).astype(np.uint8)
    )
    data = encode(image, "JPEG", quality=95)
    full = image.resize((32, 32), Image.Resampling.BICUBIC)
    difference = decode_image(data, 32, 1)[0].astype(int) - np.asarray(full).astype(int)
    assert abs(difference).max() <= 4


def test_greyscale_becomes_three_equal_channels() -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    decoded = decode_image(encode(Image.fromarray(pixels)), 8, 3)
    for channel in decoded:
        np.testing.assert_array_equal(channel, pixels)


def test_colour_becomes_luma() -> None:
    decoded = decode_image(encode(corners()), 8, 1)
    # ITU-R 601: .299 R + .587 G + .114 B
    assert [c[0] for c in corner_colors(decoded)] == [76, 150, 29, 255]


def test_bilevel_images_become_black_and_white() -> None:
    pixels = np.eye(8, dtype=bool)
    decoded = decode_image(encode(Image.fromarray(pixels)), 8, 1)
    np.testing.assert_array_equal(decoded[0], np.where(pixels, 255, 0))


def test_palette_gives_its_colours() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert corner_colors(decode_image(encode(image), 8, 3))[0] == (10, 20, 30)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette_entry_is_white(kind: str) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 10, 20, 30])
    image.putpixel((0, 0), 0)
    decoded = decode_image(encode(image, kind, transparency=0), 8, 3)
    assert corner_colors(decoded)[:2] == [WHITE, (10, 20, 30)]


def test_alpha_is_laid_on_white() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[0, 0] = (255, 0, 0, 0)
    pixels[0, 7] = (255, 0, 0, 255)
    pixels[7, 0] = (0, 0, 0, 51)  # a fifth of black: four fifths of white
    decoded = corner_colors(decode_image(encode(Image.fromarray(pixels)), 8, 3))
    assert decoded[:3] == [WHITE, RED, (204, 204, 204)]


def test_transparent_colour_of_rgb_and_grey_is_white() -> None:
    rgb = decode_image(encode(corners(), transparency=RED), 8, 3)
    assert corner_colors(rgb) == [WHITE, GREEN, BLUE, WHITE]
    grey = Image.new("L", (8, 8), 7)
    assert (decode_image(encode(grey, transparency=7), 8, 1) == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_greyscale_is_scaled_not_clipped(kind: str) -> None:
    values = np.array([[0, 257, 32768, 65535]], np.uint16).repeat(4, 0)
    decoded = decode_image(encode(Image.fromarray(values), kind), 4, 1)
    np.testing.assert_array_equal(decoded[0, 0], [0, 1, 128, 255])


def test_16_bit_colour_png_is_scaled() -> None:
    row = b"\0" + struct.pack(">6H", 65535, 0, 32768, 0, 65535, 257)
    decoded = decode_image(raw_png(2, 2, 16, 2, row * 2), 2, 3)
    np.testing.assert_array_equal(decoded[:, 0, 0], [255, 0, 128])
    np.testing.assert_array_equal(decoded[:, 0, 1], [0, 255, 1])


def test_32_bit_tiff_in_16_bit_range_is_scaled_and_beyond_it_refused() -> None:
    image = Image.fromarray(np.full((4, 4), 65535, np.int32))
    assert (decode_image(encode(image, "TIFF"), 4, 1) == 255).all()
    image = Image.fromarray(np.full((4, 4), 65536, np.int32))
    with pytest.raises(UnreadableImageError, match="65536"):
        decode_image(encode(image, "TIFF"), 4, 1)


def test_floating_point_tiff_is_scaled_and_beyond_one_refused() -> None:
    image = Image.fromarray(np.full((4, 4), 0.5, np.float32))
    assert (decode_image(encode(image, "TIFF"), 4, 1) == 128).all()
    image = Image.fromarray(np.full((4, 4), 200.0, np.float32))
    with pytest.raises(UnreadableImageError, match="within 0 and 1"):
        decode_image(encode(image, "TIFF"), 4, 1)


def test_cmyk_jpeg_keeps_its_colours() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    red, green, blue = decode_image(encode(cyan, "JPEG", quality=100), 16, 3)[:, 8, 8]
    assert red < 10
    assert min(green, blue) > 245


def test_two_picture_jpeg_of_a_phone_gives_its_first() -> None:
    frames = [Image.new("L", (16, 16), grey) for grey in (40, 200)]
    data = encode(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert (decode_image(data, 16, 1) == 40).all()


def test_animated_gif_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, BLUE)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert corner_colors(decode_image(data, 8, 3))[0] == RED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_truncated_files_are_unreadable(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encode(Image.fromarray(noise), kind)
    with pillow_warnings(), pytest.raises(UnreadableImageError):
        decode_image(data[: len(data) // 2], 64, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not an image at all", "known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "known format"),
    ],
)
def test_other_files_are_unreadable(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode_image(data, 8, 3)


def test_damaged_files_never_raise_anything_else() -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
    good = [encode(noise, kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")]
    for _ in range(300):
        data = bytearray(good[rng.integers(len(good))])
        for place in rng.integers(0, len(data), 8):
            data[place] = rng.integers(256)
        with pillow_warnings(), contextlib.suppress(UnreadableImageError):
            assert decode_image(bytes(data), 8, 3).shape == (3, 8, 8)


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_decompression_bombs_are_unreadable(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    data = encode(Image.new("L", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(10_000 / factor))
    with pillow_warnings(), pytest.raises(UnreadableImageError, match="limit"):
        decode_image(data, 8, 1)


def test_bombs_are_unreadable_whatever_the_warning_filters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = encode(Image.new("L", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6_000)
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(UnreadableImageError):
        decode_image(data, 8, 1)


def test_arrays_are_scaled_by_their_dtype() -> None:
    assert to_uint8(np.array([0, 128, 255], np.uint8)).tolist() == [0, 128, 255]
    assert to_uint8(np.array([False, True])).tolist() == [0, 255]
    assert to_uint8(np.array([0, 128, 129, 65535], np.uint16)).tolist() == [0, 0, 1, 255]
    assert to_uint8(np.array([0, 0.5, 1], np.float64)).tolist() == [0, 128, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.1, -0.1, 1e300])
def test_arrays_out_of_range_are_unreadable(value: float) -> None:
    with pytest.raises(UnreadableImageError, match="floating-point"):
        decode_array(np.array([[0.0, value], [0.0, 0.0]]), 2, 1)


def test_array_channels_follow_the_request() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5, 3), np.uint8)
    np.testing.assert_array_equal(decode_array(pixels, 5, 3), pixels.transpose(2, 0, 1))
    np.testing.assert_array_equal(decode_array(pixels[:, :, :1], 5, 1)[0], pixels[:, :, 0])
    np.testing.assert_array_equal(decode_array(pixels[:, :, 0], 5, 3)[2], pixels[:, :, 0])
    clear = np.zeros((5, 5, 4), np.uint8)
    assert (decode_array(clear, 5, 3) == 255).all()
