from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from iciclegcn.config import ViewConfig
from iciclegcn.data.strong_views import OPERATIONS, strong_views, weak_config
from iciclegcn.data.views import Among, evaluation_view, random_views

STILL = weak_config(ViewConfig(flip_probability=0.0), (1.0, 1.0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, channels: int, size: int) -> Tensor:
    shape = (n, channels, size, size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(1))


def as_images(views: Tensor) -> Tensor:
    """Views back as pixel values."""
    return ((views * 0.25 + 0.5) * 255).round().to(torch.uint8)


def only(name: str, monkeypatch: pytest.MonkeyPatch, strength: float = 0.9) -> None:
    """One operation is drawn, of one strength."""
    operation = OPERATIONS[name]
    for other in OPERATIONS:
        monkeypatch.setitem(OPERATIONS, other, lambda images, _: operation(images, strength))


def test_without_operations_and_cutout_a_strong_view_is_a_weak_one() -> None:
    images, weak = noise(5, 3, 10), weak_config(ViewConfig(), (0.5, 1.0))
    views = strong_views(images, 8, weak, 0, 0.0, generator())
    assert torch.equal(views, random_views(images, 8, weak, generator()))
    still = strong_views(images, 10, STILL, 0, 0.0, generator())
    torch.testing.assert_close(still, evaluation_view(images, 10), rtol=0, atol=1e-5)


def test_a_weak_view_is_cropped_and_flipped_as_the_data_allow() -> None:
    views = ViewConfig(flip_probability=0.25, rotation=20.0, blur_probability=0.5)
    weak = weak_config(views, (0.8, 0.9))
    assert (weak.crop_scale, weak.crop_ratio, weak.flip_probability) == ((0.8, 0.9), (1, 1), 0.25)
    assert weak.rotation == weak.blur_probability == 0
    assert weak.jitter_probability == weak.grayscale_probability == 0


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [3, 8])
def test_operations_treat_each_image_as_if_it_were_alone(
    name: str, channels: int, size: int
) -> None:
    images, operation = noise(4, channels, size), OPERATIONS[name]
    for strength in (0.0, 0.3, 0.999):
        together = operation(images, strength)
        assert together.dtype == torch.uint8
        assert together.shape == images.shape
        alone = torch.cat([operation(image[None], strength) for image in images])
        assert torch.equal(together, alone)


@pytest.mark.parametrize(
    ("name", "strength", "expected"),
    [
        ("identity", 0.9, lambda x: x),
        ("auto_contrast", 0.9, tv.autocontrast),
        ("equalize", 0.9, tv.equalize),
        ("rotate", 0.5, lambda x: x),
        ("solarize", 0.5, lambda x: torch.where(x >= 127.5, 255 - x, x)),
        ("solarize", 0.999, lambda x: torch.where(x == 255, 0, x)),
        ("saturation", 1.0, lambda x: tv.adjust_saturation(x, 0.95)),
        ("contrast", 0.0, lambda x: tv.adjust_contrast(x, 0.05)),
        ("brightness", 0.5, lambda x: tv.adjust_brightness(x, 0.5)),
        ("sharpness", 0.5, lambda x: tv.adjust_sharpness(x, 0.5)),
        ("shear_x", 0.5, lambda x: x),
        ("posterize", 0.0, lambda x: x & 0b11110000),
        ("posterize", 0.999, lambda x: x),
    ],
)
def test_strengths_go_from_bound_to_bound(name: str, strength: float, expected: object) -> None:
    assert callable(expected)
    images = noise(3, 3, 8)
    assert torch.equal(OPERATIONS[name](images, strength), expected(images))


def test_shifts_move_either_way_and_leave_grey() -> None:
    images = noise(2, 1, 10)
    right = OPERATIONS["shift_x"](images, 1.0)  # 3 of 10 pixels
    assert torch.equal(right[..., 3:], images[..., :-3])
    assert bool((right[..., :3] == 128).all())
    up = OPERATIONS["shift_y"](images, 0.0)
    assert torch.equal(up[..., :-3, :], images[..., 3:, :])
    assert bool((up[..., -3:, :] == 128).all())


def test_a_turn_and_its_opposite_are_both_drawn() -> None:
    images = noise(1, 1, 9)
    one, other = (OPERATIONS["rotate"](images, strength) for strength in (0.9, 0.1))
    assert not torch.equal(one, other)
    # Mirrored images turn the other way.
    mirrored = OPERATIONS["rotate"](images.flip(3), 0.9).flip(3)
    assert (mirrored.int() - other.int()).abs().max() <= 1


def test_every_image_draws_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    def brighter_by(number: int) -> Callable[[Tensor, float], Tensor]:
        return lambda images, _: images + torch.tensor(number).byte()

    for number, name in enumerate(OPERATIONS):
        monkeypatch.setitem(OPERATIONS, name, brighter_by(number))
    images = torch.zeros(2800, 1, 4, 4, dtype=torch.uint8)
    drawn = as_images(strong_views(images, 4, STILL, 1, 0.0, generator()))[:, 0, 0, 0]
    counts = torch.bincount(drawn.long(), minlength=len(OPERATIONS))
    assert len(counts) == len(OPERATIONS) == 14
    assert counts.min() > 150
    assert counts.max() < 250
    thrice = as_images(strong_views(images, 4, STILL, 3, 0.0, generator()))[:, 0, 0, 0]
    assert abs(thrice.float().mean() - 3 * 6.5) < 0.5


def test_images_of_one_operation_share_its_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, float]] = []

    def recorded(images: Tensor, strength: float) -> Tensor:
        seen.append((len(images), strength))
        return images

    for name in OPERATIONS:
        monkeypatch.setitem(OPERATIONS, name, recorded)
    strong_views(noise(64, 1, 4), 4, STILL, 2, 0.0, generator())
    assert sum(count for count, _ in seen) == 2 * 64
    assert len(seen) <= 2 * 14
    assert len({strength for _, strength in seen}) == len(seen)
    assert all(0 <= strength < 1 for _, strength in seen)


def test_cutout_takes_a_square_of_its_side(monkeypatch: pytest.MonkeyPatch) -> None:
    only("identity", monkeypatch)
    images = torch.zeros(400, 3, 16, 16, dtype=torch.uint8)
    grey = as_images(strong_views(images, 16, STILL, 1, 0.5, generator())) == 128
    assert torch.equal(grey[:, 0], grey[:, 2])
    rows, columns = grey[:, 0].any(dim=2), grey[:, 0].any(dim=1)
    # A square, whole unless the edge cuts it.
    assert torch.equal(grey[:, 0], rows[:, :, None] & columns[:, None, :])
    sides = torch.cat([rows.sum(dim=1), columns.sum(dim=1)])
    assert 4 <= sides.min() < 6
    assert sides.max() == 8
    assert rows.float().mean(dim=0).min() > 0.15  # edges are reached as well


@pytest.mark.parametrize("channels", [1, 3])
def test_parts_of_a_batch_have_the_views_of_the_whole(channels: int) -> None:
    images, weak = noise(9, channels, 12), weak_config(ViewConfig(), (0.6, 1.0))
    whole = strong_views(images, 8, weak, 3, 0.5, generator())
    for positions in (torch.tensor([0, 3, 8]), torch.tensor([1, 2, 4]), torch.arange(0)):
        among = Among(positions, len(images))
        part = strong_views(images[positions], 8, weak, 3, 0.5, generator(), torch.float32, among)
        torch.testing.assert_close(part, whole[positions], rtol=1e-5, atol=1e-5)


def test_views_depend_on_the_generator_alone() -> None:
    images, weak = noise(6, 3, 10), weak_config(ViewConfig(), (0.6, 1.0))
    kept, state = images.clone(), torch.get_rng_state()
    views = strong_views(images, 8, weak, 2, 0.5, generator(3), torch.bfloat16)
    assert views.dtype is torch.bfloat16
    assert torch.equal(torch.get_rng_state(), state)
    again = strong_views(images, 8, weak, 2, 0.5, generator(3), torch.bfloat16)
    assert torch.equal(again, views)
    other = strong_views(images, 8, weak, 2, 0.5, generator(4), torch.bfloat16)
    assert not torch.equal(other, views)
    assert torch.equal(images, kept)
