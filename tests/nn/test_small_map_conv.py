import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from iciclegcn.config import BackboneConfig
from iciclegcn.nn.backbone import build_backbone
from iciclegcn.nn.small_map_conv import SmallMapConv2d, use_small_map_products


def pair(kernel: int, stride: int, padding: int, bias: bool = False) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution and its twin with the same weights, in double precision."""
    torch.manual_seed(0)
    plain = nn.Conv2d(3, 5, kernel, stride, padding, bias=bias).double()
    twin = SmallMapConv2d(3, 5, kernel, stride, padding, bias=bias).double()
    twin.load_state_dict(plain.state_dict())
    return plain, twin


def gradients(layer: nn.Conv2d, maps: Tensor) -> tuple[Tensor, ...]:
    output = layer(maps)
    steps = torch.arange(output.numel(), dtype=maps.dtype).view_as(output)
    return torch.autograd.grad((output * steps.sin()).sum(), [maps, *layer.parameters()])


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shape of every matrix that stood in for a convolution."""
    seen: list[tuple[int, ...]] = []
    linear = torch.nn.functional.linear

    def recorded(flat: Tensor, matrix: Tensor) -> Tensor:
        seen.append(tuple(matrix.shape))
        return linear(flat, matrix)

    monkeypatch.setattr(torch.nn.functional, "linear", recorded)
    return seen


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("height", "width", "kernel", "stride", "padding", "matrix"),
    [
        (1, 1, 3, 1, 1, (5, 3)),
        (2, 2, 3, 1, 1, (20, 12)),
        (2, 2, 3, 2, 1, (5, 12)),
        (1, 2, 3, 1, 1, (10, 6)),
        (3, 3, 5, 1, 2, (45, 27)),
        (3, 3, 3, 1, 1, None),
        (4, 4, 3, 2, 1, None),
        (1, 3, 3, 1, 1, None),
        (4, 4, 7, 2, 3, (20, 48)),
    ],
)
def test_small_maps_are_convolved_by_one_product(
    height: int,
    width: int,
    kernel: int,
    stride: int,
    padding: int,
    matrix: tuple[int, int] | None,
    channels_last: bool,
    bias: bool,
    products: list[tuple[int, ...]],
) -> None:
    plain, twin = pair(kernel, stride, padding, bias)
    maps = torch.randn(4, 3, height, width, dtype=torch.float64, requires_grad=True)
    given = maps.contiguous(memory_format=torch.channels_last) if channels_last else maps
    torch.testing.assert_close(twin(given), plain(maps))
    assert products == ([] if matrix is None else [matrix])
    for found, expected in zip(gradients(twin, maps), gradients(plain, maps), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "options", [{"groups": 2}, {"dilation": 2, "padding": 2}, {"padding_mode": "reflect"}]
)
def test_unusual_convolutions_go_the_general_way(
    options: dict[str, int], products: list[tuple[int, ...]]
) -> None:
    torch.manual_seed(0)
    arguments = {"padding": 1} | options
    plain = nn.Conv2d(4, 6, 3, **arguments)  # type: ignore[arg-type]
    twin = SmallMapConv2d(4, 6, 3, **arguments)  # type: ignore[arg-type]
    twin.load_state_dict(plain.state_dict())
    maps = torch.randn(2, 4, 2, 2)
    torch.testing.assert_close(twin(maps), plain(maps))
    assert products == []


def test_products_follow_autocast() -> None:
    _, twin = pair(3, 1, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert twin.float()(torch.randn(2, 3, 2, 2)).dtype is torch.bfloat16


def test_replacing_keeps_parameters_and_other_layers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()))
    parameters = list(network.parameters())
    state = torch.get_rng_state()
    use_small_map_products(network)
    assert torch.equal(torch.get_rng_state(), state)
    assert type(network[0]) is SmallMapConv2d
    inner = network[1]
    assert isinstance(inner, nn.Sequential)
    assert type(inner[0]) is nn.Conv2d
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))


def test_resnets_on_small_images_agree_with_torchvisions(products: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    published = resnet18()
    published.fc = nn.Identity()
    torch.manual_seed(0)
    ours, _ = build_backbone(BackboneConfig("resnet18"))
    assert list(ours.state_dict()) == list(published.state_dict())
    images = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(ours(images), published(images), rtol=1e-4, atol=1e-4)
    # Layer 3 keeps 2x2 maps three times; layer 4 halves them and keeps 1x1 maps three times.
    assert products == [(1024, 1024)] * 3 + [(512, 1024)] + [(512, 512)] * 3
