import pytest
import torch
from torch import Tensor, nn

from iciclegcn.errors import UserError
from iciclegcn.nn.pretrained.facts import Shown
from iciclegcn.nn.pretrained.network import PretrainedNetwork
from iciclegcn.nn.pretrained.preprocess import Preprocess

AS_IT_IS = Preprocess(Shown(4, 1.0, "bilinear", (0.5,), (0.25,)))  # what views are normalised by


class Gives(nn.Module):
    """Whatever a function makes of images."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self._function = function

    def forward(self, images: Tensor) -> object:
        return self._function(images)  # type: ignore[operator]


def wrapped(network: nn.Module, **options: bool) -> PretrainedNetwork:
    return PretrainedNetwork(network, AS_IT_IS, "mine", **options)


def test_rows_are_the_networks() -> None:
    views = torch.randn(2, 3, 4, 4)
    network = wrapped(nn.Flatten())
    assert network.num_features == 48
    torch.testing.assert_close(network(views), views.flatten(1))


def test_maps_are_averaged_over_positions() -> None:
    views = torch.randn(2, 3, 4, 4)
    network = wrapped(nn.Identity())
    assert network.num_features == 3
    torch.testing.assert_close(network(views), views.mean(dim=(2, 3)))


@pytest.mark.parametrize(
    "several",
    [
        lambda images: (images.mean(dim=(2, 3)), images),
        lambda images: {"x": images.mean(dim=(2, 3)), "maps": images},
    ],
)
def test_of_several_outputs_the_first_counts(several: object) -> None:
    views = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(wrapped(Gives(several))(views), views.mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda images: images.flatten(2), "(1, 3, 16)"),
        (lambda images: images.flatten(1).argmax(dim=1), "(1,)"),
        (lambda images: "text", "str"),
        (lambda images: [], "list"),
    ],
)
def test_other_outputs_are_refused(function: object, got: str) -> None:
    with pytest.raises(UserError) as caught:
        wrapped(Gives(function))
    assert str(caught.value) == (
        f"'mine' must give features [N, D] or maps [N, D, H, W] of images (got {got}); leave out "
        "what follows them"
    )


def test_a_size_that_does_not_fit_is_told() -> None:
    with pytest.raises(UserError, match="'mine' does not take images of 4 pixels"):
        wrapped(nn.Sequential(nn.Flatten(), nn.Linear(7, 2)))


def test_finding_the_width_leaves_no_marks() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5)).train()
    before = torch.get_rng_state()
    wrapped(network)
    assert network.training
    assert int(network.state_dict()["0.num_batches_tracked"]) == 0
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("full", "dtype"), [(False, torch.bfloat16), (True, torch.float32)])
def test_full_precision_holds_under_autocast(full: bool, dtype: torch.dtype) -> None:
    network = wrapped(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), full_precision=full)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(torch.randn(2, 3, 4, 4)).dtype == dtype


def test_features_are_scaled_on_request() -> None:
    views = torch.randn(2, 3, 4, 4)
    network = wrapped(nn.Identity())
    before, origin = network(views), network.fingerprint()
    network.scale_features(torch.tensor([1.0, 0.0, -1.0]), 4.0)
    expected = (before - torch.tensor([1.0, 0.0, -1.0])) / 4
    torch.testing.assert_close(network(views), expected)
    assert network.fingerprint() == origin
    assert set(network.state_dict()) == set()


def test_fingerprints_tell_weights_apart() -> None:
    network = wrapped(nn.Conv2d(3, 2, 1))
    twin = wrapped(nn.Conv2d(3, 2, 1))
    twin.load_state_dict(network.state_dict())
    assert network.fingerprint() == twin.fingerprint()
    with torch.no_grad():
        next(twin.parameters())[0, 0] += 1e-6
    assert network.fingerprint() != twin.fingerprint()


@pytest.mark.parametrize("last", [False, True])
def test_channels_are_last_in_memory_where_that_is_asked_for(last: bool) -> None:
    orders: list[bool] = []

    class Spy(nn.Conv2d):
        def forward(self, images: Tensor) -> Tensor:
            orders.append(images.is_contiguous(memory_format=torch.channels_last))
            return super().forward(images)

    torch.manual_seed(0)
    convolution = Spy(3, 5, 3)
    views = torch.randn(2, 3, 4, 4)
    expected = nn.Conv2d.forward(convolution, AS_IT_IS(views)).mean(dim=(2, 3))
    network = wrapped(convolution, channels_last=last)
    torch.testing.assert_close(network(views), expected)
    assert orders == [last, last]  # finding the width, and now
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last) is last


def test_a_network_that_cannot_take_them_is_shown_the_usual_order() -> None:
    network = wrapped(Gives(lambda images: images.view(len(images), -1)), channels_last=True)
    views = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(network(views), AS_IT_IS(views).flatten(1))
