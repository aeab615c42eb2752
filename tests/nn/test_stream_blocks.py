import pytest
import torch

from iciclegcn.nn import stream_blocks
from iciclegcn.nn.stream_blocks import Gradients, add_product, row_blocks


def test_row_blocks_cover_all_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_blocks, "BLOCK_ENTRIES", 12)
    blocks = [list(range(10))[rows] for rows in row_blocks(torch.zeros(10, 4))]
    assert blocks == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert len(list(row_blocks(torch.zeros(3, 100)))) == 3  # a row at least


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_add_up_in_the_dtype_of_the_sum(dtype: torch.dtype) -> None:
    total = torch.ones(1, 1)
    a = torch.tensor([[1.0, 2.0]], dtype=dtype)
    add_product(total, a, a.T)
    assert total.dtype == torch.float32
    assert total.item() == 6


def test_a_gradient_passes_where_the_relu_was_open() -> None:
    state, weight = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    active = (state @ weight.T).relu()  # (1, 0)
    gradients = Gradients.empty([state], [weight], [True])
    for _ in range(2):  # the maps' gradients gather, the states' have one block each
        d = torch.tensor([[5.0, 7.0]])
        gradients.add(0, slice(0, 1), d, active, state, weight)
    assert gradients.before[0].tolist() == [[10.0, 20.0], [0.0, 0.0]]
    assert gradients.states[0] is not None
    assert gradients.states[0].tolist() == [[5.0, 0.0]]
    unwanted = Gradients.empty([state], [], [False])
    unwanted.add(0, slice(0, 1), torch.ones(1, 2), active, state, None)
    assert unwanted == ([None], [])
