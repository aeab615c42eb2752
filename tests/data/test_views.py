from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import functional as reference

from iciclegcn.config import ViewConfig
from iciclegcn.data.views import Among, evaluation_view, random_views, resize_matrix

# The whole image, upright, in its own colours and sharp.
STILL = {
    "crop_scale": (1.0, 1.0),
    "crop_ratio": (1.0, 1.0),
    "flip_probability": 0.0,
    "jitter_probability": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "grayscale_probability": 0.0,
}
Draw = Callable[[float], None]


def still(**changes: float | tuple[float, float]) -> ViewConfig:
    return ViewConfig(**(STILL | changes))  # type: ignore[arg-type]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, channels: int, size: int, low: int = 0, high: int = 256) -> Tensor:
    shape = (n, channels, size, size)
    return torch.randint(low, high, shape, dtype=torch.uint8, generator=generator(1))


def waves(n: int, channels: int, size: int) -> Tensor:
    """A smooth image, where rounding shows less than a misplaced pixel."""
    axis = torch.linspace(0, 6, size)
    image = (axis.sin()[:, None] * (2 * axis).cos() + 1) * 127
    return image.to(torch.uint8).expand(n, channels, size, size).clone()


def pixels(views: Tensor) -> Tensor:
    """Views back in [0, 1]."""
    return views.float() * 0.25 + 0.5


@pytest.fixture
def fix_draws(monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Every uniform draw comes out as the given share of its range."""

    def fix(share: float) -> None:
        monkeypatch.setattr(torch, "rand", lambda n, **_: torch.full((n,), share))

    return fix


@pytest.mark.parametrize("out_size", [5, 8, 20])
@pytest.mark.parametrize(("start", "length"), [(0, 16), (3, 8), (9, 7), (2, 1)])
def test_resize_matrix_equals_interpolation_of_whole_pixel_crops(
    start: int, length: int, out_size: int
) -> None:
    image = torch.rand(16, 16, generator=generator())
    matrix = resize_matrix(
        torch.tensor([float(start)]), torch.tensor([float(length)]), 16, out_size
    )
    crop = image[None, None, start : start + length, :]
    expected = F.interpolate(crop, (out_size, 16), mode="bilinear", antialias=True)[0]
    torch.testing.assert_close(matrix @ image, expected, rtol=0, atol=2e-6)


def test_resize_matrix_of_fractional_crops_averages_and_keeps_ramps() -> None:
    start, length = torch.tensor([0.3, 5.75, 11.9]), torch.tensor([6.2, 0.4, 4.1])
    matrix = resize_matrix(start, length, 16, 9)
    assert matrix.min() >= 0
    torch.testing.assert_close(matrix.sum(dim=2), torch.ones(3, 9))
    ramp = torch.arange(16) + 0.5
    middle = start + length / 2
    # The middle of an enlarged ramp is the ramp at the middle of the crop.
    torch.testing.assert_close((matrix @ ramp)[[0, 2], 4], middle[[0, 2]])


def test_evaluation_view_centres_and_scales_pixels() -> None:
    image = torch.tensor([0, 51, 204, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    view = evaluation_view(image, 2)
    torch.testing.assert_close(view.flatten(), torch.tensor([-2.0, -1.2, 1.2, 2.0]))
    assert view.dtype is torch.float32
    assert image.flatten().tolist() == [0, 51, 204, 255]


def test_evaluation_view_resizes_with_antialiasing() -> None:
    images = noise(2, 3, 20)
    view = evaluation_view(images, 8)
    resized = F.interpolate(images.float(), (8, 8), mode="bilinear", antialias=True) / 255
    torch.testing.assert_close(pixels(view), resized)
    assert view.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("channels", [1, 3])
def test_views_without_augmentation_are_the_evaluation_views(channels: int) -> None:
    images = noise(4, channels, 12)
    kept = images.clone()
    for size in (12, 7, 16):
        views = random_views(images, size, still(), generator())
        torch.testing.assert_close(views, evaluation_view(images, size), rtol=0, atol=1e-5)
        assert views.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, kept)


def test_flip_probability_zero_one_and_half() -> None:
    images = noise(200, 1, 4)
    upright = evaluation_view(images, 4)
    never = random_views(images, 4, still(flip_probability=0.0), generator())
    always = random_views(images, 4, still(flip_probability=1.0), generator())
    torch.testing.assert_close(never, upright, rtol=0, atol=1e-5)
    torch.testing.assert_close(always, upright.flip(3), rtol=0, atol=1e-5)
    half = random_views(images, 4, still(flip_probability=0.5), generator())
    flipped = torch.isclose(half, upright.flip(3), atol=1e-5).flatten(1).all(1)
    kept = torch.isclose(half, upright, atol=1e-5).flatten(1).all(1)
    assert torch.equal(flipped, ~kept)
    assert 70 <= int(flipped.sum()) <= 130


def test_crops_keep_to_their_area_and_shape() -> None:
    # Channel 0 tells the column, channel 1 the row: the slopes of a view tell its crop.
    ramp = torch.arange(64, dtype=torch.uint8) * 4
    image = torch.stack([ramp.expand(64, 64), ramp[:, None].expand(64, 64), ramp.expand(64, 64)])
    config = still(crop_scale=(0.1, 0.5), crop_ratio=(0.75, 4 / 3))
    views = pixels(random_views(image.repeat(300, 1, 1, 1), 96, config, generator())) * 255 / 4
    width = (views[:, 0, 48, 48] - views[:, 0, 48, 47]) * 96
    height = (views[:, 1, 48, 48] - views[:, 1, 47, 48]) * 96
    area, ratio = width * height / 64**2, width / height
    assert 0.099 < area.min() < 0.12
    assert 0.48 < area.max() < 0.501
    assert 0.749 < ratio.min() < 0.77
    assert 1.30 < ratio.max() < 1.334
    # Every crop lies in the image: its middle is at least half a crop from the edges.
    middle = views[:, 0, 48, 47:49].mean(1) + 0.5
    assert bool((middle >= width / 2 - 0.01).all())
    assert bool((middle <= 64 - width / 2 + 0.01).all())
    assert middle.std() > 5


def test_images_need_not_be_square() -> None:
    images = noise(2, 3, 12)[:, :, :6]
    views = random_views(images, 8, still(crop_ratio=(2.0, 2.0)), generator())
    expected = F.interpolate(images.float(), (8, 8), mode="bilinear", antialias=True) / 255
    torch.testing.assert_close(pixels(views), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_jitter_agrees_with_torchvision(share: float, fix_draws: Draw) -> None:
    fix_draws(share)
    images = noise(3, 3, 6, 100, 156)  # away from black and white, where clamping would differ
    plain = images.float() / 255
    factor = 1 + 0.2 * (2 * share - 1)
    always = {"jitter_probability": 1.0}
    operations = {
        "brightness": reference.adjust_brightness,
        "contrast": reference.adjust_contrast,
        "saturation": reference.adjust_saturation,
    }
    chained = plain
    for name, operation in operations.items():
        views = random_views(images, 6, still(**always, **{name: 0.2}), generator())
        torch.testing.assert_close(pixels(views), operation(plain, factor), rtol=0, atol=1e-5)
        chained = operation(chained, factor)
    together = still(**always, brightness=0.2, contrast=0.2, saturation=0.2)
    views = random_views(images, 6, together, generator())
    torch.testing.assert_close(pixels(views), chained, rtol=0, atol=2e-5)


def test_hue_keeps_luma_and_grey_and_turns_chroma(fix_draws: Draw) -> None:
    fix_draws(0.0)  # the lower bound: half a turn back
    config = still(jitter_probability=1.0, hue=0.5)
    images = noise(3, 3, 6, 100, 156)
    plain = images.float() / 255
    luma = (plain * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    views = pixels(random_views(images, 6, config, generator()))
    torch.testing.assert_close(views, 2 * luma - plain, rtol=0, atol=1e-5)
    fix_draws(0.3)
    views = pixels(random_views(images, 6, config, generator()))
    turned = (views * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(turned, luma, rtol=0, atol=1e-5)
    assert (views - plain).abs().max() > 0.05
    grey = images[:, :1].repeat(1, 3, 1, 1)
    views = random_views(grey, 6, config, generator())
    torch.testing.assert_close(views, evaluation_view(grey, 6), rtol=0, atol=1e-5)


def test_grayscale_leaves_luma_in_every_channel() -> None:
    images = noise(3, 3, 6)
    views = pixels(random_views(images, 6, still(grayscale_probability=1.0), generator()))
    luma = reference.rgb_to_grayscale(images.float() / 255, num_output_channels=3)
    torch.testing.assert_close(views, luma, rtol=0, atol=2e-4)  # torchvision has .2989 for .299
    assert torch.equal(views[:, 0], views[:, 1])


def test_jitter_and_grayscale_happen_as_often_as_asked() -> None:
    images = noise(1, 3, 4, 90, 160).repeat(400, 1, 1, 1)
    upright = evaluation_view(images, 4)
    jittered = random_views(
        images, 4, still(jitter_probability=0.8, brightness=0.4, hue=0.1), generator()
    )
    changed = ~torch.isclose(jittered, upright, atol=1e-4).flatten(1).all(1)
    assert 290 <= int(changed.sum()) <= 350
    grey = random_views(images, 4, still(grayscale_probability=0.2), generator())
    colourless = torch.isclose(grey[:, 0], grey[:, 2], atol=1e-4).flatten(1).all(1)
    assert 50 <= int(colourless.sum()) <= 110


def test_one_channel_has_brightness_and_contrast_only(fix_draws: Draw) -> None:
    fix_draws(0.75)
    images = noise(3, 1, 6, 100, 156)
    plain = images.float() / 255
    config = still(
        jitter_probability=1.0,
        brightness=0.2,
        contrast=0.2,
        saturation=0.9,
        hue=0.4,
        grayscale_probability=1.0,
    )
    bright = reference.adjust_brightness(plain, 1.1)
    means = bright.mean(dim=(2, 3), keepdim=True)
    views = pixels(random_views(images, 6, config, generator()))
    torch.testing.assert_close(views, 1.1 * bright - 0.1 * means, rtol=0, atol=1e-5)


def test_blur_keeps_a_constant_image() -> None:
    images = torch.full((8, 3, 16, 16), 200, dtype=torch.uint8)
    views = random_views(images, 16, still(blur_probability=1.0), generator())
    torch.testing.assert_close(views, evaluation_view(images, 16), rtol=0, atol=1e-5)


def test_blur_agrees_with_a_gaussian_in_double_precision(fix_draws: Draw) -> None:
    fix_draws(0.75)
    images = noise(2, 1, 18)
    views = pixels(random_views(images, 18, still(blur_probability=1.0), generator()))
    sigma = 0.1 + 0.75 * 1.9
    distance = np.subtract.outer(np.arange(18), np.arange(18)).astype(np.float64)
    kernel = np.exp(-(distance**2) / (2 * sigma**2))
    kernel /= kernel.sum(axis=1, keepdims=True)
    expected = torch.from_numpy(kernel @ (images.double().numpy() / 255) @ kernel.T)
    torch.testing.assert_close(views.double(), expected, rtol=0, atol=2e-6)


def test_images_that_are_not_blurred_stay_sharp() -> None:
    images = noise(1, 1, 12).repeat(200, 1, 1, 1)
    views = random_views(images, 12, still(blur_probability=0.5), generator())
    sharp = torch.isclose(views, evaluation_view(images, 12), atol=1e-5).flatten(1).all(1)
    assert 70 <= int(sharp.sum()) <= 135  # a few blurs are too narrow to see


def test_rotation_turns_about_the_middle(fix_draws: Draw) -> None:
    images = noise(2, 3, 7)
    upright = evaluation_view(images, 7)
    fix_draws(0.0)
    half_turn = random_views(images, 7, still(rotation=180.0), generator())
    torch.testing.assert_close(half_turn, upright.flip(2, 3), rtol=0, atol=1e-4)
    fix_draws(0.75)
    quarter_turn = random_views(images, 7, still(rotation=180.0), generator())
    torch.testing.assert_close(quarter_turn, upright.rot90(1, (2, 3)), rtol=0, atol=1e-4)
    unturned = random_views(images, 7, still(rotation=0.0), generator())
    torch.testing.assert_close(unturned, upright, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"crop_scale": (0.2, 0.9)},
        {"rotation": 30.0},
        {"blur_probability": 1.0},
        {"jitter_probability": 1.0, "brightness": 0.4},
        {"jitter_probability": 1.0, "contrast": 0.4},
        {"jitter_probability": 1.0, "saturation": 0.4},
        {"jitter_probability": 1.0, "hue": 0.1},
    ],
    ids=lambda changes: list(changes)[-1],
)
def test_every_image_has_draws_of_its_own(changes: dict[str, float]) -> None:
    images = noise(1, 3, 10, 60, 190).repeat(6, 1, 1, 1)
    views = random_views(images, 10, still(**changes), generator())
    for i in range(6):
        for j in range(i):
            assert not torch.equal(views[i], views[j])


def test_views_depend_on_the_generator_alone() -> None:
    images, config = noise(6, 3, 10), ViewConfig(blur_probability=0.5, rotation=10)
    global_state = torch.get_rng_state()
    views = random_views(images, 8, config, generator(3))
    torch.manual_seed(99)
    torch.rand(5)
    assert torch.equal(random_views(images, 8, config, generator(3)), views)
    assert not torch.equal(random_views(images, 8, config, generator(4)), views)
    torch.set_rng_state(global_state)
    random_views(images, 8, config, generator(3))
    assert torch.equal(torch.get_rng_state(), global_state)


@pytest.mark.parametrize("size", [12, 224])
def test_views_in_bf16_stay_close_to_fp32(size: int) -> None:
    images = waves(4, 3, size)
    config = ViewConfig(blur_probability=0.5, rotation=30)
    exact = random_views(images, size, config, generator())
    coarse = random_views(images, size, config, generator(), torch.bfloat16)
    assert coarse.dtype is torch.bfloat16
    # bf16 has 8 significant bits: half a step of values up to 2 is 2^-8, met a few times over.
    assert (coarse.float() - exact).abs().max() < 0.06
    assert (coarse.float() - exact).abs().mean() < 0.01


def test_views_stay_in_the_range_of_pixels() -> None:
    images = torch.cat([noise(16, 3, 8, 0, 20), noise(16, 3, 8, 235, 256)])
    config = ViewConfig(jitter_probability=1.0, brightness=0.8, contrast=0.8, saturation=0.8)
    views = random_views(images, 8, config, generator())
    assert views.min() == -2
    assert views.max() == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_parts_of_a_batch_have_the_views_of_the_whole(channels: int) -> None:
    images = noise(6, channels, 12)
    config = ViewConfig(blur_probability=0.5, rotation=10.0)
    whole = random_views(images, 8, config, generator())
    for positions in (torch.tensor([0, 3]), torch.tensor([1, 2, 4, 5])):
        among = Among(positions, len(images))
        part = random_views(images[positions], 8, config, generator(), torch.float32, among)
        torch.testing.assert_close(part, whole[positions], rtol=1e-5, atol=1e-5)
