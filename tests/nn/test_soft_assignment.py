import pytest
import torch

from iciclegcn.nn import SoftAssignment


def assignment_at(centers: list[list[float]], degrees_of_freedom: float) -> SoftAssignment:
    layer = SoftAssignment(len(centers), len(centers[0]), degrees_of_freedom)
    with torch.no_grad():
        layer.centers.copy_(torch.tensor(centers))
    return layer


def test_soft_assignment_agrees_with_values_computed_by_hand() -> None:
    code = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    q = assignment_at([[0.0, 0.0], [1.0, 0.0]], 1.0)(code)
    # Kernels 1 / (1 + d^2): 1 and 1/2.
    torch.testing.assert_close(q, torch.tensor([[2 / 3, 1 / 3], [1 / 3, 2 / 3]]))
    q = assignment_at([[0.0, 0.0], [1.0, 0.0]], 3.0)(code)
    # (1 + 1/3)^-2 = 9/16.
    torch.testing.assert_close(q[0], torch.tensor([16 / 25, 9 / 25]))


@pytest.mark.parametrize("t", [0.01, 1.0, 30.0])
def test_soft_assignment_agrees_with_the_formula_far_from_the_origin(t: float) -> None:
    generator = torch.Generator().manual_seed(0)
    code = torch.rand(50, 4, generator=generator) + 10
    layer = SoftAssignment(3, 4, t)
    with torch.no_grad():
        layer.centers.copy_(torch.rand(3, 4, generator=generator) + 10)
    squared = (code.double()[:, None] - layer.centers.double()).square().sum(2)
    kernel = (1 + squared / t) ** (-(t + 1) / 2)
    expected = kernel / kernel.sum(1, keepdim=True)
    torch.testing.assert_close(layer(code).double(), expected, rtol=1e-4, atol=1e-6)


def test_gradients_hold_in_double_precision() -> None:
    torch.manual_seed(0)
    layer = SoftAssignment(3, 4).double()
    code = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: layer(z), code)
    (grad,) = torch.autograd.grad(layer(code).square().sum(), layer.centers)
    step = torch.zeros_like(layer.centers)
    step[1, 2] = 1e-6
    with torch.no_grad():
        before = layer(code).square().sum()
        layer.centers.add_(step)
        slope = (layer(code).square().sum() - before) / 1e-6
    torch.testing.assert_close(grad[1, 2], slope, rtol=1e-4, atol=1e-7)


def test_rows_sum_to_one_when_every_centre_is_very_far() -> None:
    q = assignment_at([[1e18, 0.0], [-1e18, 0.0]], 100.0)(torch.zeros(3, 2))
    torch.testing.assert_close(q, torch.full((3, 2), 0.5))


def test_degrees_of_freedom_must_be_positive() -> None:
    with pytest.raises(ValueError, match="degrees_of_freedom"):
        SoftAssignment(3, 4, 0.0)
