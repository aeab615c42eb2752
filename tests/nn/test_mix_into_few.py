import torch
from torch import Tensor

from iciclegcn.nn.mix_into_few import MixIntoFew
from iciclegcn.nn.stream_blocks import FusionCoefficients, Plan

COEFFICIENTS = FusionCoefficients(own=0.4, peer=0.2, autoencoder=0.5)


def mixed(dtype: torch.dtype, h: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
    plan = Plan(COEFFICIENTS, 2, False, True, dtype)
    found: tuple[Tensor, ...] = MixIntoFew.apply(plan, h, *tensors)
    return found


def test_the_fusion_happens_inside_the_products() -> None:
    a, b, h = torch.tensor([[[1.0, -1.0]], [[10.0, 20.0]], [[100.0, -100.0]]])
    first, second = torch.tensor([[1.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    # After the ReLU: a = (1, 0), b = (10, 20). Fused: (.4 + 2 + 50, 4 - 50) and (54.2, -42).
    out_a, out_b = mixed(torch.float32, h, a, b, first, second)
    torch.testing.assert_close(out_a, torch.tensor([[52.4 - 46]]))
    torch.testing.assert_close(out_b, torch.tensor([[2 * 54.2, 3 * -42.0]]))


def test_gradients_hold_where_the_streams_have_other_widths() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    tensors = (draw(5, 3), draw(5, 3), draw(5, 3), draw(1, 3), draw(2, 3))
    assert torch.autograd.gradcheck(lambda *given: mixed(torch.float64, *given), tensors)


def test_bf16_products_are_added_in_float32() -> None:
    # 256 + 1 + 1 is 258 in bf16 too, but 256 + 1 is 256 there.
    plan = Plan(FusionCoefficients(1.0, 1.0, 1.0), 2, False, True, torch.bfloat16)
    one, large = torch.ones(1, 1).bfloat16(), torch.tensor([[256.0]]).bfloat16()
    weight = torch.ones(1, 1)
    out, _ = MixIntoFew.apply(plan, one, large, one, weight, weight)
    assert out.dtype == torch.bfloat16
    assert out.item() == 258
